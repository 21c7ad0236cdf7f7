package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// slowConfig sends so much that what a slow socket does not read fills all
// buffers between it and the fake.
func (f *fake) slowConfig() Config {
	cfg := f.config()
	cfg.Groups, cfg.Members, cfg.Slow, cfg.Messages, cfg.BodySize = 1, 4, 2, 2500, maxBody
	cfg.Settle = 5 * time.Second
	return cfg
}

func TestSlow(t *testing.T) {
	t.Run("loses_nothing_when_the_server_waits", func(t *testing.T) {
		f := newFake(t)
		cfg := f.slowConfig()
		cfg.BodySize, cfg.Messages = 40, 500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 4*500, figures.Deliveries)
		require.Equal(t, SlowFigures{Sockets: 2, Kept: 2}, *figures.Slow)
	})
	t.Run("resumes_when_the_server_closes", func(t *testing.T) {
		f := newFake(t)
		f.patience = 100 * time.Millisecond
		figures, err := f.run(t.Context(), f.slowConfig())
		requirePassed(t, figures, err)
		require.EqualValues(t, 4*2500, figures.Deliveries)
		require.Equal(t, SlowFigures{Sockets: 2, Cut: 2}, *figures.Slow)
		require.GreaterOrEqual(t, figures.Reconnects, int64(2))
	})
	t.Run("counts_those_that_read_why", func(t *testing.T) {
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
		require.Equal(t, SlowFigures{Sockets: 2, Closed: 1, Kept: 1}, *figures.Slow)
	})
	t.Run("leaves_what_waited_out_of_latency_and_rate", func(t *testing.T) {
		f := newFake(t)
		cfg := f.slowConfig()
		cfg.BodySize, cfg.Messages, cfg.Rate = 40, 500, 500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 4*500, figures.Deliveries)
		require.Less(t, figures.EndToEnd.Max, 500.0, "those that slept for 800 ms do not count")
		require.InDelta(t, 2*500, figures.DeliveriesPerSecond, 150)
	})
	t.Run("is_not_blamed_on_the_server_for_what_is_cut_beside_it", func(t *testing.T) {
		f := newFake(t)
		cfg := f.slowConfig()
		cfg.BodySize, cfg.Messages, cfg.Disconnects = 40, 1500, 60
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 60, figures.Cuts)
		require.Equal(t, SlowFigures{Sockets: 2, Kept: 2}, *figures.Slow)
	})
	t.Run("lets_the_first_of_each_group_read_on", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.Slow = 3 * 3
		require.NoError(t, cfg.Check())
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 9, figures.Slow.Kept)
		require.Positive(t, figures.EndToEnd.Max, "of those who read")
		cfg.Slow++
		require.ErrorContains(t, cfg.Check(), "--slow")
	})
}

// TestSlowKept: a server that lets more wait for a socket than it tells.
func TestSlowKept(t *testing.T) {
	f := newFake(t)
	f.pending = 64 << 10
	figures, err := f.run(t.Context(), f.slowConfig())
	require.ErrorIs(t, err, ErrFailed)
	require.EqualValues(t, 2, figures.Faults[broken.String()], "%v", figures.Faults)
	require.Equal(t, SlowFigures{Sockets: 2, Kept: 2}, *figures.Slow)
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
	require.Positive(t, figures.Faults[lost.String()], "%v", figures.Faults)
}
