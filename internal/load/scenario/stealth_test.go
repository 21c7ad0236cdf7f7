package scenario

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/load/measure"
	"ping/internal/load/oracle"
)

func (f *fake) stealthConfig() Config {
	cfg := f.config()
	cfg.Stealth = true
	return cfg
}

func TestStealth(t *testing.T) {
	t.Run("passes a server that keeps its promises", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		figures, err := f.run(t.Context(), f.stealthConfig())
		requirePassed(t, figures, err)
		require.EqualValues(t, 300, figures.Accepted+figures.Stealth.Sent)
		require.InDelta(t, 60, figures.Stealth.Sent, 5, "each of 5 senders may be in the middle of a round")
		require.EqualValues(t, figures.Stealth.Sent/withdrawEvery, figures.Stealth.Withdrawn)
		require.Equal(t, 4*figures.Stealth.Sent, figures.Stealth.Deliveries)
		require.Zero(t, figures.Stealth.Excused)
		require.Positive(t, figures.Stealth.Ack.P50)
		require.Positive(t, figures.Stealth.EndToEnd.P50)
		require.Positive(t, figures.Stealth.GoneLate.P50)
	})
	t.Run("excuses what was cut", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		cfg := f.stealthConfig()
		cfg.Disconnects, cfg.Messages = 40, 1500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.Less(t, figures.Stealth.Deliveries, 4*figures.Stealth.Sent+1)
		require.EqualValues(t, 4*figures.Accepted, figures.Deliveries)
	})
	// missed makes a server tell one socket of a gap in place of the end of an
	// expired message.
	missed := func(f *fake) {
		did := false
		f.onFrame = func(_ domain.ID, e fakeEvent) [][]byte {
			if e.name != "stealth_gone" || did || bytes.Contains(e.frame, []byte("withdrawn")) {
				return [][]byte{e.frame}
			}
			did = true
			return [][]byte{tellGap}
		}
	}
	t.Run("excuses what was missed while a dependency was unavailable", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		missed(f)
		unavailable := false
		f.onAct = func(w http.ResponseWriter, _ int, what string) bool {
			if what != "stealth" || unavailable {
				return false
			}
			unavailable = true
			refuse(w, http.StatusServiceUnavailable, "ephemeral_unavailable")
			return true
		}
		figures, err := f.run(t.Context(), f.stealthConfig())
		requirePassed(t, figures, err)
		require.EqualValues(t, 1, figures.Stealth.Excused)
		require.EqualValues(t, 1, figures.Stealth.Gaps)
	})
	t.Run("does not excuse a gap when nothing was unavailable", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		missed(f)
		figures, err := f.run(t.Context(), f.stealthConfig())
		require.ErrorIs(t, err, ErrFailed)
		require.EqualValues(t, 1, figures.Faults[oracle.Broken.String()], "%v", figures.Faults)
	})
	t.Run("excuses what was missed while a connection began", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		began := map[domain.ID]bool{}
		f.onFrame = func(user domain.ID, e fakeEvent) [][]byte {
			if began[user] {
				return [][]byte{e.frame}
			}
			began[user] = true
			return [][]byte{e.frame, tellGap}
		}
		figures, err := f.run(t.Context(), f.stealthConfig())
		requirePassed(t, figures, err)
		require.EqualValues(t, figures.Sockets, figures.Stealth.Gaps)
		require.Zero(t, figures.Stealth.Excused)
	})
	t.Run("excuses a storm", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		cfg := f.stealthConfig()
		cfg.Storm, cfg.Messages = true, 1500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
	})
}

// TestStealthFails: servers that break a promise about stealth messages, each in
// one way.
func TestStealthFails(t *testing.T) {
	// first changes what the first member that gets such a frame gets.
	first := func(name string, change func(b []byte) [][]byte) func(f *fake) {
		return func(f *fake) {
			did := false
			f.onFrame = func(_ domain.ID, e fakeEvent) [][]byte {
				if e.name != name || did {
					return [][]byte{e.frame}
				}
				did = true
				return change(e.frame)
			}
		}
	}
	twice := func(b []byte) [][]byte { return [][]byte{b, b} }
	never := func([]byte) [][]byte { return nil }
	for name, c := range map[string]struct {
		spoil func(f *fake)
		want  oracle.Fault
	}{
		"a socket does not receive it": {first("stealth", never), oracle.StealthLost},
		"a socket receives it twice":   {first("stealth", twice), oracle.StealthDoubled},
		"a socket receives another body": {first("stealth", func(b []byte) [][]byte {
			return [][]byte{bytes.Replace(b, []byte(`.","`), []byte(`!","`), 1)}
		}), oracle.StealthAltered},
		"a socket is not told its end":   {first("stealth_gone", never), oracle.GoneMissing},
		"a socket is told its end twice": {first("stealth_gone", twice), oracle.StealthDoubled},
		"its end comes early":            {func(f *fake) { f.goneAfter = func(ttl time.Duration) time.Duration { return ttl - time.Second } }, oracle.GoneEarly},
		"its end comes late": {func(f *fake) {
			f.goneAfter = func(ttl time.Duration) time.Duration { return ttl + 6*time.Second + time.Second }
		}, oracle.GoneMissing},
		"it is refused": {func(f *fake) {
			f.onAct = func(w http.ResponseWriter, _ int, what string) bool {
				if what == "stealth" {
					refuse(w, http.StatusNotFound, "conversation_not_found")
				}
				return what == "stealth"
			}
		}, oracle.Broken},
		"its withdrawal is refused": {func(f *fake) {
			f.onAct = func(w http.ResponseWriter, _ int, what string) bool {
				if what == "withdraw" {
					refuse(w, http.StatusForbidden, "forbidden")
				}
				return what == "withdraw"
			}
		}, oracle.Broken},
		"it was not withdrawn": {func(f *fake) { f.goneReason = func(string) string { return "withdrawn" } }, oracle.GoneEarly},
		"it is in history":     {func(f *fake) { f.keeps = true }, oracle.Leaked},
		"it is in the log":     {func(f *fake) { f.records = true }, oracle.Leaked},
		"it stays in the list": {func(f *fake) { f.immortal = true }, oracle.Leaked},
	} {
		t.Run("when "+name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			c.spoil(f)
			figures, err := f.run(t.Context(), f.stealthConfig())
			require.ErrorIs(t, err, ErrFailed)
			require.Equal(t, measure.Failed, figures.Verdict)
			require.Positive(t, figures.Faults[c.want.String()], "%v", figures.Faults)
			require.NotEmpty(t, figures.Examples[c.want.String()])
		})
	}
}
