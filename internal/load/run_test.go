package load

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func TestRun(t *testing.T) {
	t.Run("passes_a_server_that_keeps_its_promises", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.JSON = filepath.Join(t.TempDir(), "figures.json")
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 300, figures.Accepted)
		require.EqualValues(t, 4*300, figures.Deliveries)
		require.Positive(t, figures.AcceptedPerSecond)
		require.Positive(t, figures.DeliveriesPerSecond)
		require.Positive(t, figures.Ack.P50)
		require.Positive(t, figures.EndToEnd.P99)

		var written Figures
		b, err := os.ReadFile(cfg.JSON)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &written))
		require.Equal(t, figures.Accepted, written.Accepted)
		require.Equal(t, passed, written.Verdict)
	})
	t.Run("resumes_what_it_cuts", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.Disconnects, cfg.Messages = 30, 1500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 30, figures.Cuts)
		require.Positive(t, figures.Reconnects)
		require.EqualValues(t, 4*1500, figures.Deliveries)
	})
	t.Run("reads_gaps_over_HTTP", func(t *testing.T) {
		f := newFake(t)
		f.maxReplay = 0
		cfg := f.config()
		cfg.Disconnects, cfg.Messages = 20, 1500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.Positive(t, figures.Gaps)
		require.EqualValues(t, 4*1500, figures.Deliveries)
	})
	t.Run("sends_again_with_the_same_key", func(t *testing.T) {
		f := newFake(t)
		f.onSend = func(w http.ResponseWriter, n int) bool {
			switch {
			case n%7 == 0:
				refuse(w, http.StatusServiceUnavailable, "overloaded")
				return true
			case n%11 == 0:
				return cut(w)
			}
			return false
		}
		f.onStored = func(w http.ResponseWriter, n int) bool { return n%5 == 0 && cut(w) }
		cfg := f.config()
		cfg.Messages = 60
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 60, figures.Accepted)
		require.Positive(t, figures.Retries)
		require.Positive(t, figures.Errors["503 overloaded"])
	})
	t.Run("renews_credentials_that_are_refused", func(t *testing.T) {
		f := newFake(t)
		f.onSend = func(w http.ResponseWriter, n int) bool {
			if n == 10 || n == 100 {
				for token := range f.tokens {
					if token[0] == 'a' {
						delete(f.tokens, token)
					}
				}
				refuse(w, http.StatusUnauthorized, "unauthenticated")
				return true
			}
			return false
		}
		figures, err := f.run(t.Context(), f.config())
		requirePassed(t, figures, err)
		require.EqualValues(t, 300, figures.Accepted)
	})
	t.Run("sends_a_corpus", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.Corpus, cfg.Users, cfg.Messages = filepath.Join("testdata", "chat.jsonl"), 100, 0
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 6, figures.Accepted)
		require.EqualValues(t, 1, figures.Refused, "the blank line")
		require.EqualValues(t, 1, figures.Errors["422 body_empty"])
		require.Equal(t, 2, figures.Unlinked)
	})
	t.Run("keeps_to_a_schedule", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.Rate, cfg.Messages, cfg.Duration = 1000, 0, 300*time.Millisecond
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 300, figures.Accepted)
		require.NotNil(t, figures.Lateness)
	})
	t.Run("counts_waiting_for_a_stalled_server_as_latency", func(t *testing.T) {
		f := newFake(t)
		stalled := false
		f.onSend = func(http.ResponseWriter, int) bool {
			if !stalled {
				stalled = true
				<-time.After(200 * time.Millisecond) // the stall itself, all else waits for mu
			}
			return false
		}
		cfg := f.config()
		cfg.Rate, cfg.Messages = 1000, 100
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.Greater(t, figures.Ack.P50, 80.0, "half of 100 ms of messages waited at least 150 ms")
	})
	t.Run("has_many_sends_under_way", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.Groups, cfg.Members, cfg.Senders, cfg.Window = 1, 20, 1, 8
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 20*300, figures.Deliveries)
	})
	t.Run("tells_what_was_done_when_it_is_interrupted", func(t *testing.T) {
		f := newFake(t)
		ctx, cancel := context.WithCancel(t.Context())
		f.onSend = func(_ http.ResponseWriter, n int) bool {
			if n == 50 {
				cancel()
			}
			return false
		}
		figures, err := f.run(ctx, f.config())
		require.ErrorIs(t, err, ErrFailed)
		require.Equal(t, "none: interrupted", figures.Verdict)
		require.Positive(t, figures.Accepted)
	})
	t.Run("gives_up_on_a_server_that_is_gone", func(t *testing.T) {
		f := newFake(t)
		f.onSend = func(w http.ResponseWriter, n int) bool { return n > 50 && cut(w) }
		cfg := f.config()
		cfg.RetryFor = 500 * time.Millisecond
		figures, err := f.run(t.Context(), cfg)
		require.ErrorIs(t, err, ErrFailed)
		require.Contains(t, figures.Verdict, "cut short")
		require.Positive(t, figures.Unknown)
		require.Zero(t, figures.Faults["lost"])
	})
}

// TestRunFails: servers that break a promise, each in one way.
func TestRunFails(t *testing.T) {
	atSeq := func(e fakeEvent, seq int64) bool { return e.seq == seq }
	for name, c := range map[string]struct {
		spoil func(f *fake)
		want  fault
	}{
		"history_loses_a_message": {
			func(f *fake) {
				f.onHistory = func(m []map[string]any) []map[string]any { return slices.Delete(m, 3, 4) }
			}, lost,
		},
		"history_shows_a_message_twice": {
			func(f *fake) {
				f.onHistory = func(m []map[string]any) []map[string]any { return slices.Insert(m, 3, m[3]) }
			}, doubled,
		},
		"history_is_oldest_first": {
			func(f *fake) {
				f.onHistory = func(m []map[string]any) []map[string]any { slices.Reverse(m); return m }
			}, disordered,
		},
		"history_alters_a_body": {
			func(f *fake) {
				f.onHistory = func(m []map[string]any) []map[string]any { m[2]["body"] = "?"; return m }
			}, altered,
		},
		"a_retry_is_stored_again": {
			func(f *fake) {
				f.onStored = func(w http.ResponseWriter, n int) bool {
					clear(f.keys)
					return n%20 == 0 && cut(w)
				}
			}, doubled,
		},
		"an_acknowledged_message_is_not_stored": {
			func(f *fake) {
				f.onSend = func(w http.ResponseWriter, n int) bool {
					if n == 20 {
						answerJSON(w, http.StatusCreated, map[string]any{"id": f.id(), "seq": 6})
					}
					return n == 20
				}
			}, lost,
		},
		"all_messages_are_refused": {
			func(f *fake) {
				f.onSend = func(w http.ResponseWriter, _ int) bool {
					refuse(w, http.StatusForbidden, "forbidden")
					return true
				}
			}, broken,
		},
		"a_stream_ends_for_an_internal_error": {
			func(f *fake) {
				f.closeCode = 4004
				closed := false
				f.onFrame = func(_ domain.ID, e fakeEvent) [][]byte {
					if closed || !atSeq(e, 20) {
						return [][]byte{e.frame}
					}
					closed = true
					return [][]byte{nil}
				}
			}, broken,
		},
		"a_frame_is_lost": {
			func(f *fake) {
				f.onFrame = func(_ domain.ID, e fakeEvent) [][]byte {
					if atSeq(e, 20) {
						return nil
					}
					return [][]byte{e.frame}
				}
			}, lost,
		},
		"a_frame_is_sent_twice": {
			func(f *fake) {
				f.onFrame = func(_ domain.ID, e fakeEvent) [][]byte {
					if atSeq(e, 20) {
						return [][]byte{e.frame, e.frame}
					}
					return [][]byte{e.frame}
				}
			}, doubled,
		},
		"frames_are_swapped": {
			func(f *fake) {
				held := map[domain.ID][]byte{}
				f.onFrame = func(user domain.ID, e fakeEvent) [][]byte {
					switch {
					case atSeq(e, 20):
						held[user] = e.frame
						return nil
					case atSeq(e, 21):
						return [][]byte{e.frame, held[user]}
					}
					return [][]byte{e.frame}
				}
			}, disordered,
		},
	} {
		t.Run("when_"+name, func(t *testing.T) {
			f := newFake(t)
			c.spoil(f)
			figures, err := f.run(t.Context(), f.config())
			require.ErrorIs(t, err, ErrFailed)
			require.Equal(t, failed, figures.Verdict)
			require.Positive(t, figures.Faults[c.want.String()], "%v", figures.Faults)
			require.NotEmpty(t, figures.Offenders[c.want.String()])
		})
	}
}
