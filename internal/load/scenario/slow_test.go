package scenario

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/load/measure"
	"ping/internal/load/oracle"
)

// slowConfig sends so much that what a slow socket leaves unread fills all
// buffers between it and the fake.
func (f *fake) slowConfig() Config {
	cfg := f.config()
	cfg.Groups, cfg.Members, cfg.Slow, cfg.Messages, cfg.BodySize = 1, 4, 2, 2500, maxBody
	cfg.Settle = 5 * time.Second
	return cfg
}

func TestSlow(t *testing.T) {
	t.Run("loses nothing when the server waits", func(t *testing.T) {
		f := newFake(t)
		cfg := f.slowConfig()
		cfg.BodySize, cfg.Messages = 40, 500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 4*500, figures.Deliveries)
		require.Equal(t, measure.SlowFigures{Sockets: 2, Kept: 2}, *figures.Slow)
	})
	t.Run("resumes when the server closes", func(t *testing.T) {
		f := newFake(t)
		f.patience = 100 * time.Millisecond
		figures, err := f.run(t.Context(), f.slowConfig())
		requirePassed(t, figures, err)
		require.EqualValues(t, 4*2500, figures.Deliveries)
		require.Equal(t, measure.SlowFigures{Sockets: 2, Cut: 2}, *figures.Slow)
		require.GreaterOrEqual(t, figures.Reconnects, int64(2))
	})
	t.Run("counts those that read the close code", func(t *testing.T) {
		f := newFake(t)
		closed := false
		f.onFrame = func(user domain.ID, e fakeEvent) [][]byte {
			if e.seq == 300 && user == e.group.members[3] && !closed {
				closed = true
				return [][]byte{closeAsSlow}
			}
			return [][]byte{e.frame}
		}
		cfg := f.slowConfig()
		cfg.BodySize, cfg.Messages = 40, 500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.Equal(t, measure.SlowFigures{Sockets: 2, Closed: 1, Kept: 1}, *figures.Slow)
	})
	t.Run("leaves what waited out of latency and rate", func(t *testing.T) {
		f := newFake(t)
		cfg := f.slowConfig()
		cfg.BodySize, cfg.Messages, cfg.Rate = 40, 500, 500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 4*500, figures.Deliveries)
		require.Less(t, figures.EndToEnd.Max, 500.0, "sockets that did not read for 800 ms do not count")
		require.InDelta(t, 2*500, figures.DeliveriesPerSecond, 150)
	})
	t.Run("is not blamed on the server when other sockets are cut", func(t *testing.T) {
		f := newFake(t)
		cfg := f.slowConfig()
		cfg.BodySize, cfg.Messages, cfg.Disconnects = 40, 1500, 60
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 60, figures.Cuts)
		require.Equal(t, measure.SlowFigures{Sockets: 2, Kept: 2}, *figures.Slow)
	})
	t.Run("lets the first member of each group read on", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.Slow = 3 * 3
		require.NoError(t, cfg.Check())
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 9, figures.Slow.Kept)
		require.Positive(t, figures.EndToEnd.Max, "of the sockets that read")
		cfg.Slow++
		require.ErrorContains(t, cfg.Check(), "--slow")
	})
}

// TestSlowKept: a server lets more wait for a socket than its limit says.
func TestSlowKept(t *testing.T) {
	f := newFake(t)
	f.pending = 64 << 10
	figures, err := f.run(t.Context(), f.slowConfig())
	require.ErrorIs(t, err, ErrFailed)
	require.EqualValues(t, 2, figures.Faults[oracle.Broken.String()], "%v", figures.Faults)
	require.Equal(t, measure.SlowFigures{Sockets: 2, Kept: 2}, *figures.Slow)
}

// TestSlowFails: what is lost while a socket does not read is found.
func TestSlowFails(t *testing.T) {
	f := newFake(t)
	skipped := false
	f.onFrame = func(_ domain.ID, e fakeEvent) [][]byte {
		if e.name == "message.sent" && e.seq > 100 && !skipped {
			skipped = true
			return nil
		}
		return [][]byte{e.frame}
	}
	cfg := f.slowConfig()
	cfg.BodySize, cfg.Messages, cfg.Settle = 40, 500, 300*time.Millisecond
	figures, err := f.run(t.Context(), cfg)
	require.ErrorIs(t, err, ErrFailed)
	require.Positive(t, figures.Faults[oracle.Lost.String()], "%v", figures.Faults)
}
