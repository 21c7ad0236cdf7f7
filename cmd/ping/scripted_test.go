package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	pingclient "ping/realtime/client"
)

// toldOf writes an ephemeral frame as a test expects it.
func toldOf(e pingclient.Ephemeral) string {
	return fmt.Sprint(e.Type, " ", e.ConversationID, " ", e.UserID, e.AuthorID, " ", e.On, " ", e.State, e.Body, e.Code)
}

// script is a server that says what it is told to, for what a real one does
// rarely or after long. It knows one conversation, c, of one user, u.
type script struct {
	events []string // of the conversation, as GET …/events answers
	busy   bool     // the first who wants a stream is told to come back in a second

	mu        sync.Mutex
	opens     []time.Time       // of each stream
	said      []json.RawMessage // the first frame of the client on each stream
	refreshes []string          // the key of each
}

// act is what happens on one connection.
type act func(ws *websocket.Conn)

// play serves one connection after another by the acts; the last one goes on
// for all that follow.
func (s *script) play(t *testing.T, acts ...act) (url string) {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // the client may be gone
	}
	turnedAway := func(w http.ResponseWriter) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		away := s.busy
		if s.busy = false; away {
			w.Header().Set("Retry-After", "1")
			answer(w, http.StatusServiceUnavailable, map[string]string{"code": "busy"})
		}
		return away
	}
	mux.HandleFunc("POST /v1/auth/ticket", func(w http.ResponseWriter, _ *http.Request) {
		if turnedAway(w) {
			return
		}
		answer(w, http.StatusCreated, map[string]any{"ticket": "t", "expires_in": 30})
	})
	mux.HandleFunc("POST /v1/auth/refresh", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.refreshes = append(s.refreshes, r.Header.Get("Idempotency-Key"))
		first := len(s.refreshes) == 1
		s.mu.Unlock()
		if first { // its answer breaks off
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusOK)
			panic(http.ErrAbortHandler)
		}
		answer(w, http.StatusOK, map[string]any{"access_token": "a2", "refresh_token": "r2", "expires_in": 900})
	})
	mux.HandleFunc("GET /v1/conversations/c/events", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Ping-Min-Position") == "" { // the read models may not know yet that he is a member
			answer(w, http.StatusNotFound, map[string]string{"code": "conversation_not_found"})
			return
		}
		var after int
		_, _ = fmt.Sscan(r.URL.Query().Get("after"), &after)
		items := []json.RawMessage{}
		for _, e := range s.events[after:] {
			items = append(items, json.RawMessage(e))
		}
		answer(w, http.StatusOK, map[string]any{"items": items, "next": nil})
	})
	var running sync.WaitGroup
	mux.HandleFunc("GET /v1/stream", func(w http.ResponseWriter, r *http.Request) {
		if turnedAway(w) {
			return
		}
		running.Add(1)
		defer running.Done()
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"ping.v1.json"}})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		_, first, err := ws.Read(r.Context())
		if err != nil {
			return
		}
		s.mu.Lock()
		s.opens = append(s.opens, time.Now())
		s.said = append(s.said, first)
		played := acts[min(len(s.opens), len(acts))-1]
		s.mu.Unlock()
		played(ws)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.Close()
		running.Wait()
	})
	return server.URL
}

// say writes frames. A client that is gone hears nothing of them.
func say(ws *websocket.Conn, frames ...string) {
	for _, f := range frames {
		_ = ws.Write(context.Background(), websocket.MessageText, []byte(f))
	}
}

// stay reads until the client is gone.
func stay(ws *websocket.Conn) {
	for {
		if _, _, err := ws.Read(context.Background()); err != nil {
			return
		}
	}
}

const (
	hello   = `{"type":"hello","epoch":1,"heartbeat_ms":25000,"limits":{}}`
	ready   = `{"type":"ready","user_id":"u","conversations":[{"id":"c","seq":5}],"at":["0:5"]}`
	resumed = `{"type":"resumed","replayed":0,"at":["0:5"]}`
)

func scriptedEvent(seq int, event, data string) string {
	return fmt.Sprintf(`{"type":"event","at":"0:%d","conversation_id":"c","seq":%d,"event":%q,"id":"e%d","actor_id":"a","recorded_at":"2026-01-01T00:00:00Z","data":%s}`,
		seq, seq, event, seq, data)
}

// testScripts: what the protocol says of the rare.
func testScripts(t *testing.T, start startDevice) {
	begin := func(t *testing.T, url string) *device {
		d := newDevice(&client{id: "u"})
		start(t, url, pingclient.Session{AccessToken: "a", RefreshToken: "r", RefreshKey: "k", RefreshAt: time.Now().Add(time.Hour)}, d)
		return d
	}
	messages := func(from, to int) (events []string) {
		for seq := from; seq <= to; seq++ {
			events = append(events, scriptedEvent(seq, "message.sent", `{"body":"b"}`))
		}
		return events
	}
	t.Run("a hole is read before what follows, and nothing twice", func(t *testing.T) {
		s := &script{events: messages(1, 9)}
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed, s.events[4], s.events[7], s.events[6], s.events[7], s.events[8])
			stay(ws)
		}))
		d.await(t, "all is there", func() bool { return len(d.views["c"]) >= 4 })
		require.Equal(t, []string{"6 message.sent e6", "7 message.sent e7", "8 message.sent e8", "9 message.sent e9"}, d.views["c"])
	})
	t.Run("a server that falls silent is left", func(t *testing.T) {
		s := &script{}
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, `{"type":"hello","epoch":1,"heartbeat_ms":50}`, ready, resumed)
			stay(ws) // and answers nothing
		}))
		d.await(t, "it came back", func() bool { return d.resumed >= 2 })
		s.mu.Lock()
		defer s.mu.Unlock()
		require.JSONEq(t, `{"type":"resume","at":["0:5"],"epoch":1}`, string(s.said[len(s.said)-1]))
	})
	t.Run("it comes back when it is told to", func(t *testing.T) {
		s := &script{}
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed, `{"type":"reconnect","after_ms":400,"reason":"restart"}`)
			_ = ws.Close(4000, "restart")
		}, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed)
			stay(ws)
		}))
		d.await(t, "it came back", func() bool { return d.resumed == 2 })
		require.Greater(t, s.opens[1].Sub(s.opens[0]), 400*time.Millisecond)
	})
	t.Run("a log that was restored is read anew, all of it", func(t *testing.T) {
		s := &script{events: messages(1, 2)}
		anew := []string{
			`{"type":"hello","epoch":2,"heartbeat_ms":25000}`, `{"type":"error","code":"epoch_changed","message":""}`,
			`{"type":"ready","user_id":"u","conversations":[{"id":"c","seq":2}],"at":["0:0"]}`, `{"type":"gap","conversation_id":"c","from_seq":1,"to_seq":2}`,
		}
		read := make(chan struct{})
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed)
		}, func(ws *websocket.Conn) {
			say(ws, anew[:3]...) // it is cut before it is told of the gap
		}, func(ws *websocket.Conn) {
			say(ws, append(anew, `{"type":"resumed","at":["0:2"]}`)...)
			<-read
		}, func(ws *websocket.Conn) {
			say(ws, anew[0], anew[2], `{"type":"resumed","at":["0:2"]}`)
			stay(ws)
		}))
		d.await(t, "it has read all", func() bool { return d.resumed == 2 })
		close(read)
		d.await(t, "it came once more", func() bool { return d.resumed == 3 })
		for i, want := range []string{`"at":[],"epoch":0`, `"at":["0:5"],"epoch":1`, `"at":["0:5"],"epoch":1`, `"at":["0:2"],"epoch":2`} {
			require.JSONEq(t, `{"type":"resume",`+want+`}`, string(s.said[i]))
		}
		require.Equal(t, []string{"1 message.sent e1", "2 message.sent e2"}, d.views["c"])
		require.Equal(t, 2, d.resets)
	})
	t.Run("who types does so until he sends, or for a while", func(t *testing.T) {
		d := begin(t, (&script{}).play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed,
				`{"type":"typing","conversation_id":"c","user_id":"a","on":true,"expires_in_ms":60000}`, messages(6, 6)[0],
				`{"type":"typing","conversation_id":"c","user_id":"a","on":true,"expires_in_ms":20}`)
			stay(ws)
		}))
		on, off := "typing c a true ", "typing c a false "
		d.await(t, "he has stopped", func() bool { return len(d.ephemeral) >= 4 })
		require.Equal(t, []string{on, off, on, off}, d.ephemeral)
	})
	t.Run("what is ephemeral is handed on, and what is unknown is not", func(t *testing.T) {
		d := begin(t, (&script{}).play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed,
				`{"type":"stealth","conversation_id":"c","id":"s","author_id":"a","body":"psst","sent_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-01T00:01:00Z"}`,
				`{"type":"new in some later version","conversation_id":7}`,
				`{"type":"stealth_gone","conversation_id":"c","id":"s","reason":"expired"}`,
				`{"type":"presence","user_id":"a","state":"offline","last_seen":null}`,
				`{"type":"error","code":"rate_limited","message":"","retry_after_ms":1000}`,
				`{"type":"ephemeral_gap","after_ms":5}`)
			stay(ws)
		}))
		d.await(t, "all is told", func() bool { return len(d.ephemeral) >= 5 })
		require.Equal(t, []string{
			"stealth c a false psst", "stealth_gone c  false ", "presence  a false offline", "error   false rate_limited", "ephemeral_gap   false ",
		}, d.ephemeral)
	})
	t.Run("a busy server is left alone for as long as it asks for", func(t *testing.T) {
		s, begun := &script{busy: true}, time.Now()
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed)
			stay(ws)
		}))
		d.await(t, "it is connected", func() bool { return d.resumed == 1 })
		require.Greater(t, time.Since(begun), time.Second)
	})
	t.Run("a refresh whose answer was lost is repeated with its key", func(t *testing.T) {
		s, d := &script{}, newDevice(&client{id: "u"})
		url := s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed)
			stay(ws)
		})
		start(t, url, pingclient.Session{AccessToken: "a", RefreshToken: "r", RefreshKey: "k"}, d)
		d.await(t, "it is connected", func() bool { return d.resumed == 1 })
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Equal(t, []string{"k", "k"}, s.refreshes)
	})
	t.Run("what would not help is not tried", func(t *testing.T) {
		s := &script{}
		d := begin(t, s.play(t, func(ws *websocket.Conn) { _ = ws.Close(4500, "too many invalid frames") }))
		d.await(t, "it has ended", func() bool { return len(d.ends) > 0 })
		require.Equal(t, []int{4500}, d.ends)
		require.Len(t, s.opens, 1)
	})
}
