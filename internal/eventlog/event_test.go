package eventlog

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"ping/domain"
)

func someEvent() *Event {
	e := &Event{
		ID: NewID(), Type: "message.sent", Schema: 1, Stream: NewID(), Version: 12, Epoch: 3, Partition: 7, Position: 1042,
		RecordedAt: time.Date(2026, 1, 2, 3, 4, 5, 120_000_000, time.UTC), Actor: NewID(), CommandID: NewID(),
		CorrelationID: NewID(), CausationID: NewID(), Payload: []byte(`{"body":"<b> & \"ü\""}`),
	}
	e.encodeFrame()
	return e
}

func TestMessage(t *testing.T) {
	t.Run("decodes to the event that was encoded", func(t *testing.T) {
		for _, typ := range []string{"message.sent", "user.registered"} {
			e := someEvent()
			e.Type = typ
			e.encodeFrame()
			msg := encodeMessage("PING_E3_P07", "ping.e3.p07.", e)
			require.Equal(t, "ping.e3.p07."+typ, msg.Subject)
			require.Equal(t, "1041", msg.Header.Get(nats.ExpectedLastSeqHdr))
			got, err := decodeMessage(3, msg.Header, msg.Data)
			require.NoError(t, err)
			require.Equal(t, e, got)
		}
	})
	t.Run("the frame is JSON and does not have the ids of the command", func(t *testing.T) {
		e := someEvent()
		require.True(t, json.Valid(e.Frame))
		require.NotContains(t, string(e.Frame), e.CommandID.String())
		require.NotContains(t, string(e.Frame), e.CorrelationID.String())
	})
}

func TestParseAt(t *testing.T) {
	at, err := ParseAt("7:1042")
	require.NoError(t, err)
	require.Equal(t, At{7, 1042}, at)
	for _, bad := range []string{"", "7", "7:", ":7", "256:1", "-1:1", "1:-1", "1:1:1", "a:b", "1:99999999999999999999"} {
		_, err := ParseAt(bad)
		require.Error(t, err, bad)
	}
}

func FuzzParseAt(f *testing.F) {
	f.Add("7:1042")
	f.Add(":")
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseAt(s)
		if err != nil {
			return
		}
		parsed, err := ParseAt(at.String())
		require.NoError(t, err)
		require.Equal(t, at, parsed)
	})
}

func FuzzDecodeMessage(f *testing.F) {
	e := someEvent()
	f.Add(e.Frame, "1", e.CorrelationID.String())
	f.Add([]byte(`{"at":"1:1"}`), "1", "")
	f.Fuzz(func(t *testing.T, data []byte, schema, correlation string) {
		e, err := decodeMessage(1, nats.Header{headerSchema: {schema}, headerCorrelation: {correlation}}, data)
		if err == nil {
			require.GreaterOrEqual(t, e.Position, int64(0))
			require.Less(t, e.Partition, 256)
		}
	})
}

func TestPartitionOf(t *testing.T) {
	// The hash decides where streams live: it must never change.
	m := meta{partitions: 16}
	id, err := domain.ParseID("0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b")
	require.NoError(t, err)
	require.Equal(t, 7, m.PartitionOf(id))
	counts := make([]int, 16)
	for range 16_000 {
		counts[m.PartitionOf(NewID())]++
	}
	for _, n := range counts {
		require.InDelta(t, 1000, n, 250)
	}
}
