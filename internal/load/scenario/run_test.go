package scenario

import (
	"bytes"
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
	"ping/internal/load/measure"
	"ping/internal/load/oracle"
)

func TestRun(t *testing.T) {
	t.Run("passes a server that keeps its promises", func(t *testing.T) {
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

		var written measure.Figures
		b, err := os.ReadFile(cfg.JSON)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &written))
		require.Equal(t, figures.Accepted, written.Accepted)
		require.Equal(t, measure.Passed, written.Verdict)
	})
	t.Run("resumes what it cuts", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.Disconnects, cfg.Messages = 30, 1500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 30, figures.Cuts)
		require.Positive(t, figures.Reconnects)
		require.EqualValues(t, 4*1500, figures.Deliveries)
	})
	t.Run("reads gaps over HTTP", func(t *testing.T) {
		f := newFake(t)
		f.maxReplay = 0
		cfg := f.config()
		cfg.Disconnects, cfg.Messages = 20, 1500
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.Positive(t, figures.Gaps)
		require.EqualValues(t, 4*1500, figures.Deliveries)
	})
	t.Run("retries with the same key", func(t *testing.T) {
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
	t.Run("renews credentials that are refused", func(t *testing.T) {
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
	t.Run("sends a corpus", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.Corpus, cfg.Users, cfg.Messages = filepath.Join("..", "workload", "testdata", "chat.jsonl"), 100, 0
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 6, figures.Accepted)
		require.EqualValues(t, 1, figures.Refused, "the blank line")
		require.EqualValues(t, 1, figures.Errors["422 body_empty"])
		require.Equal(t, 2, figures.Unlinked)
	})
	t.Run("keeps to a schedule", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.Rate, cfg.Messages, cfg.Duration = 1000, 0, 300*time.Millisecond
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 300, figures.Accepted)
		require.NotNil(t, figures.Lateness)
	})
	t.Run("counts waiting for a stalled server as latency", func(t *testing.T) {
		f := newFake(t)
		stalled := false
		f.onSend = func(http.ResponseWriter, int) bool {
			if !stalled {
				stalled = true
				<-time.After(200 * time.Millisecond) // the stall itself: everything else waits for mu
			}
			return false
		}
		cfg := f.config()
		cfg.Rate, cfg.Messages = 1000, 100
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.Greater(t, figures.Ack.P50, 80.0, "half of 100 ms of messages waited at least 150 ms")
	})
	t.Run("keeps many sends outstanding", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.Groups, cfg.Members, cfg.Senders, cfg.Window = 1, 20, 1, 8
		figures, err := f.run(t.Context(), cfg)
		requirePassed(t, figures, err)
		require.EqualValues(t, 20*300, figures.Deliveries)
	})
	t.Run("says only that nothing was verified when it is interrupted", func(t *testing.T) {
		f := newFake(t)
		ctx, cancel := context.WithCancel(t.Context())
		f.onSend = func(_ http.ResponseWriter, n int) bool {
			if n == 50 {
				cancel()
			}
			return false
		}
		cfg := f.config()
		cfg.JSON = filepath.Join(t.TempDir(), "figures.json")
		var out bytes.Buffer
		figures, err := Run(ctx, cfg, &out)
		require.EqualError(t, err, "interrupted: nothing was verified")
		require.Equal(t, "none: interrupted", figures.Verdict)
		require.Positive(t, figures.Accepted)
		require.NotContains(t, out.String(), "verdict")
		require.NotContains(t, out.String(), "accepted/s", "figures of a part would mislead")
		require.NoFileExists(t, cfg.JSON)
	})
	t.Run("says the same when it is interrupted before the sending", func(t *testing.T) {
		f := newFake(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := f.run(ctx, f.config())
		require.ErrorIs(t, err, ErrInterrupted)
	})
	t.Run("names a server that cannot be reached at once", func(t *testing.T) {
		f := newFake(t)
		cfg := f.config()
		cfg.URLs, cfg.RetryFor = append(cfg.URLs, "http://127.0.0.1:1"), time.Hour
		_, err := f.run(t.Context(), cfg)
		require.ErrorContains(t, err, "cannot reach http://127.0.0.1:1: connection refused")
		require.Empty(t, f.names, "no user was registered")
	})
	t.Run("gives up on a server that stays down", func(t *testing.T) {
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
		want  oracle.Fault
	}{
		"history loses a message": {
			func(f *fake) {
				f.onHistory = func(m []map[string]any) []map[string]any { return slices.Delete(m, 3, 4) }
			}, oracle.Lost,
		},
		"history shows a message twice": {
			func(f *fake) {
				f.onHistory = func(m []map[string]any) []map[string]any { return slices.Insert(m, 3, m[3]) }
			}, oracle.Doubled,
		},
		"history is oldest first": {
			func(f *fake) {
				f.onHistory = func(m []map[string]any) []map[string]any { slices.Reverse(m); return m }
			}, oracle.Disordered,
		},
		"history alters a body": {
			func(f *fake) {
				f.onHistory = func(m []map[string]any) []map[string]any { m[2]["body"] = "?"; return m }
			}, oracle.Altered,
		},
		"a retry is stored again": {
			func(f *fake) {
				f.onStored = func(w http.ResponseWriter, n int) bool {
					clear(f.keys)
					return n%20 == 0 && cut(w)
				}
			}, oracle.Doubled,
		},
		"an acknowledged message is not stored": {
			func(f *fake) {
				f.onSend = func(w http.ResponseWriter, n int) bool {
					if n == 20 {
						answerJSON(w, http.StatusCreated, map[string]any{"id": f.id(), "seq": 6})
					}
					return n == 20
				}
			}, oracle.Lost,
		},
		"all messages are refused": {
			func(f *fake) {
				f.onSend = func(w http.ResponseWriter, _ int) bool {
					refuse(w, http.StatusForbidden, "forbidden")
					return true
				}
			}, oracle.Broken,
		},
		"a stream ends for an internal error": {
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
			}, oracle.Broken,
		},
		"a frame is lost": {
			func(f *fake) {
				f.onFrame = func(_ domain.ID, e fakeEvent) [][]byte {
					if atSeq(e, 20) {
						return nil
					}
					return [][]byte{e.frame}
				}
			}, oracle.Lost,
		},
		"a frame is sent twice": {
			func(f *fake) {
				f.onFrame = func(_ domain.ID, e fakeEvent) [][]byte {
					if atSeq(e, 20) {
						return [][]byte{e.frame, e.frame}
					}
					return [][]byte{e.frame}
				}
			}, oracle.Doubled,
		},
		"frames are swapped": {
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
			}, oracle.Disordered,
		},
	} {
		t.Run("when "+name, func(t *testing.T) {
			f := newFake(t)
			c.spoil(f)
			figures, err := f.run(t.Context(), f.config())
			require.ErrorIs(t, err, ErrFailed)
			require.Equal(t, measure.Failed, figures.Verdict)
			require.Positive(t, figures.Faults[c.want.String()], "%v", figures.Faults)
			require.NotEmpty(t, figures.Examples[c.want.String()])
		})
	}
}
