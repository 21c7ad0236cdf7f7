package load

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func (f *fake) stealthConfig() Config {
	cfg := f.config()
	cfg.Stealth = true
	return cfg
}

func TestStealth(t *testing.T) {
	t.Run("passes_a_server_that_keeps_its_promises", func(t *testing.T) {
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
	t.Run("excuses_what_was_cut", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		cfg := f.stealthConfig()
		cfg.Disconnects, cfg.Messages = 40, 1500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.Less(t, figures.Stealth.Deliveries, 4*figures.Stealth.Sent+1)
		require.EqualValues(t, 4*figures.Accepted, figures.Deliveries)
	})
	// missed makes a server tell one socket of a gap in place of what it should
	// have told when something had expired.
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
	t.Run("excuses_what_was_missed_while_something_was_away", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		missed(f)
		away := false
		f.onAct = func(w http.ResponseWriter, _ int, what string) bool {
			if what != "stealth" || away {
				return false
			}
			away = true
			refuse(w, http.StatusServiceUnavailable, "ephemeral_unavailable")
			return true
		}
		figures, err := f.run(t.Context(), f.stealthConfig())
		requirePassed(t, figures, err)
		require.EqualValues(t, 1, figures.Stealth.Excused)
		require.EqualValues(t, 1, figures.Stealth.Gaps)
	})
	t.Run("does_not_excuse_when_nothing_was_away", func(t *testing.T) {
		t.Parallel()
		f := newFake(t)
		missed(f)
		figures, err := f.run(t.Context(), f.stealthConfig())
		require.ErrorIs(t, err, ErrFailed)
		require.EqualValues(t, 1, figures.Faults[broken.String()], "%v", figures.Faults)
	})
	t.Run("excuses_what_was_missed_while_a_stream_began", func(t *testing.T) {
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
	t.Run("excuses_a_storm", func(t *testing.T) {
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
		want  fault
	}{
		"a_socket_does_not_receive_it": {first("stealth", never), stealthLost},
		"a_socket_receives_it_twice":   {first("stealth", twice), stealthDoubled},
		"a_socket_receives_another": {first("stealth", func(b []byte) [][]byte {
			return [][]byte{bytes.Replace(b, []byte(`.","`), []byte(`!","`), 1)}
		}), stealthAltered},
		"a_socket_is_not_told_its_end":   {first("stealth_gone", never), goneMissing},
		"a_socket_is_told_its_end_twice": {first("stealth_gone", twice), stealthDoubled},
		"its_end_comes_early":            {func(f *fake) { f.goneAfter = func(ttl time.Duration) time.Duration { return ttl - time.Second } }, goneEarly},
		"its_end_comes_late": {func(f *fake) {
			f.goneAfter = func(ttl time.Duration) time.Duration { return ttl + time.Duration(goneWithin) + time.Second }
		}, goneMissing},
		"it_is_refused": {func(f *fake) {
			f.onAct = func(w http.ResponseWriter, _ int, what string) bool {
				if what == "stealth" {
					refuse(w, http.StatusNotFound, "conversation_not_found")
				}
				return what == "stealth"
			}
		}, broken},
		"its_withdrawal_is_refused": {func(f *fake) {
			f.onAct = func(w http.ResponseWriter, _ int, what string) bool {
				if what == "withdraw" {
					refuse(w, http.StatusForbidden, "forbidden")
				}
				return what == "withdraw"
			}
		}, broken},
		"nobody_has_withdrawn_it": {func(f *fake) { f.goneReason = func(string) string { return "withdrawn" } }, goneEarly},
		"it_is_in_history":        {func(f *fake) { f.keeps = true }, leaked},
		"it_is_in_the_log":        {func(f *fake) { f.records = true }, leaked},
		"it_stays_in_the_list":    {func(f *fake) { f.immortal = true }, leaked},
	} {
		t.Run("when_"+name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			c.spoil(f)
			figures, err := f.run(t.Context(), f.stealthConfig())
			require.ErrorIs(t, err, ErrFailed)
			require.Equal(t, failed, figures.Verdict)
			require.Positive(t, figures.Faults[c.want.String()], "%v", figures.Faults)
			require.NotEmpty(t, figures.Offenders[c.want.String()])
		})
	}
}
