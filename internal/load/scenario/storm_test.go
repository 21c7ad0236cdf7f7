package scenario

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/load/oracle"
)

func TestStorm(t *testing.T) {
	f := newFake(t)
	cfg := f.config()
	cfg.Storm, cfg.Messages, cfg.Window = true, 1500, 2
	figures, err := f.run(t.Context(), cfg)
	requirePassed(t, figures, err)
	require.Zero(t, figures.Cuts, "they are the storm's")
	require.EqualValues(t, figures.Sockets, figures.Reconnects)
	require.EqualValues(t, 4*1500, figures.Deliveries)
	require.EqualValues(t, figures.Sockets, figures.Storm.Sockets)
	require.Positive(t, figures.Storm.Seconds)
	require.Positive(t, figures.Storm.AckBefore.Max)
	require.Positive(t, figures.Storm.AckWithin.Max)
	require.LessOrEqual(t, figures.Storm.Down.P50, figures.Storm.Down.Max)
}

// TestStormAndCuts: what a storm cuts is counted apart from single cuts.
func TestStormAndCuts(t *testing.T) {
	f := newFake(t)
	cfg := f.config()
	cfg.Storm, cfg.Disconnects, cfg.Messages = true, 6, 1500
	figures, err := f.run(t.Context(), cfg)
	requirePassed(t, figures, err)
	require.EqualValues(t, 6, figures.Cuts)
	require.EqualValues(t, figures.Sockets, figures.Storm.Sockets)
	require.Positive(t, figures.Storm.Seconds)
}

// TestStormBusy: a socket reconnects when a busy server says.
func TestStormBusy(t *testing.T) {
	f := newFake(t)
	busy := map[domain.ID]bool{}
	f.onResume = func(user domain.ID) [][]byte {
		if busy[user] {
			return nil
		}
		busy[user] = true
		return [][]byte{[]byte(`{"type":"reconnect","after_ms":300,"reason":"busy"}`), nil}
	}
	cfg := f.config()
	cfg.Storm = true
	figures, err := f.run(t.Context(), cfg)
	requirePassed(t, figures, err)
	require.Greater(t, figures.Storm.Seconds, 0.3)
	require.GreaterOrEqual(t, figures.Storm.Down.P50, 300.0)
	require.EqualValues(t, 2*figures.Sockets, figures.Reconnects)
	require.EqualValues(t, figures.Sockets, figures.Errors["socket closed with 4005"])
}

// TestStormBackoff: a socket that is accepted and closed repeatedly reconnects
// more and more slowly, as does one that is refused.
func TestStormBackoff(t *testing.T) {
	f := newFake(t)
	var one domain.ID
	closings := 0
	f.onResume = func(user domain.ID) [][]byte {
		if one.IsZero() {
			one = user
		}
		if user != one || closings == 6 {
			return nil
		}
		closings++
		return [][]byte{nil}
	}
	cfg := f.config()
	cfg.Storm = true
	figures, err := f.run(t.Context(), cfg)
	requirePassed(t, figures, err)
	require.EqualValues(t, 6, closings)
	require.Greater(t, figures.Storm.Down.Max, 400.0, "7 times anywhere up to 50 ms would be less, 50 ms to 3.2 s hardly ever is")
}

func TestStormFails(t *testing.T) {
	t.Run("when a resume loses a message", func(t *testing.T) {
		f := newFake(t)
		resumed := map[domain.ID]bool{}
		f.onResume = func(user domain.ID) [][]byte { resumed[user] = true; return nil }
		var last []byte
		f.onFrame = func(user domain.ID, e fakeEvent) [][]byte {
			if e.name == "message.sent" && resumed[user] && last == nil {
				last = e.frame
			}
			if last != nil && slices.Equal(last, e.frame) {
				return nil
			}
			return [][]byte{e.frame}
		}
		cfg := f.config()
		cfg.Storm = true
		figures, err := f.run(t.Context(), cfg)
		require.ErrorIs(t, err, ErrFailed)
		require.Positive(t, figures.Faults[oracle.Lost.String()], "%v", figures.Faults)
	})
	t.Run("when a socket does not come back", func(t *testing.T) {
		f := newFake(t)
		var one domain.ID
		f.onResume = func(user domain.ID) [][]byte {
			if one.IsZero() || one == user {
				one = user
				return [][]byte{nil}
			}
			return nil
		}
		cfg := f.config()
		cfg.Storm, cfg.RetryFor = true, 500*time.Millisecond
		figures, err := f.run(t.Context(), cfg)
		require.ErrorIs(t, err, ErrFailed)
		require.Positive(t, figures.Faults[oracle.Broken.String()], "%v", figures.Faults)
		require.Zero(t, figures.Storm.Seconds)
	})
}
