package realtime

import (
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"ping/internal/ephemeral"
	"ping/realtime/protocol"
)

// counted returns what a node counts under a name and, for those that have
// one, a label.
func (n *node) counted(name, label string) float64 {
	n.t.Helper()
	registry := prometheus.NewRegistry()
	require.NoError(n.t, registry.Register(n.hub.Metrics()))
	families, err := registry.Gather()
	require.NoError(n.t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if labelled(m) == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	n.t.Fatalf("nothing is counted as %s{%s}", name, label)
	return 0
}

func labelled(m *dto.Metric) string {
	if len(m.GetLabel()) == 0 {
		return ""
	}
	return m.GetLabel()[0].GetValue()
}

// counts waits until a node has counted so many.
func (n *node) counts(name, label string, want float64) {
	n.t.Helper()
	require.Eventually(n.t, func() bool { return n.counted(name, label) == want }, 10*time.Second, 5*time.Millisecond,
		"%s{%s}: %v", name, label, n.counted(name, label))
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{MaxReplay: 10})
	alice, bob := newID(), newID()

	t.Run("counts what is refused before the upgrade", func(t *testing.T) {
		response, err := http.Get(n.url)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		http.DefaultClient.CloseIdleConnections()
		require.Equal(t, 1.0, n.counted("ping_stream_refusals_total", "upgrade_required"))
		require.Zero(t, n.counted("ping_stream_refusals_total", "busy"))
	})
	t.Run("counts how streams end, whatever clients say", func(t *testing.T) {
		c := n.open(alice)
		n.counts("ping_streams", "", 1)
		require.NoError(t, c.conn.Close(websocket.StatusCode(protocol.CloseSlow), "not you"))
		n.counts("ping_stream_closes_total", "client", 1)
		require.Zero(t, n.counted("ping_stream_closes_total", "4001"))
		n.open(alice).cut()
		n.counts("ping_stream_closes_total", "none", 1)
		c = n.open(alice)
		for range protocol.MaxRefusals {
			c.writeRaw(websocket.MessageText, []byte("[]"))
		}
		require.Equal(t, protocol.CloseProtocol, c.closed())
		n.counts("ping_stream_closes_total", "4500", 1)
		require.EqualValues(t, protocol.MaxRefusals, n.counted("ping_stream_errors_total", "frame_invalid"))
		n.counts("ping_streams", "", 0)
	})
	t.Run("counts what streams are given", func(t *testing.T) {
		before, started := n.counted("ping_stream_events_total", ""), n.counted("ping_stream_start_seconds", "")
		group := n.group(alice, bob)
		one, other := n.open(alice), n.open(bob)
		n.counts("ping_stream_start_seconds", "", started+2)
		sent := n.send(group, alice, "hello")
		one.untilEvent(sent)
		other.untilEvent(sent)
		n.counts("ping_stream_events_total", "", before+2)
		require.NotZero(t, n.counted("ping_stream_writes_total", ""))

		other.cut()
		n.reach(n.send(group, alice, "missed"))
		other.resume(n)
		require.Equal(t, 1.0, n.counted("ping_stream_events_replayed_total", ""))
		other.cut()
		for range 11 {
			n.reach(n.send(group, alice, "too many"))
		}
		other.resume(n)
		require.Equal(t, 1.0, n.counted("ping_stream_gaps_total", ""))
		n.counts("ping_streams_starting", "", 0)
		require.Zero(t, n.counted("ping_streams_waiting", ""))
	})
	t.Run("has a place for what slow clients miss", func(t *testing.T) {
		n.hub.metrics.drop(ephemeral.KindTyping)
		require.Equal(t, 1.0, n.counted("ping_stream_dropped_total", "typing"))
	})
}
