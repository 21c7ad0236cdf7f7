package clients

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
)

// script is a server that says what it is told to, for what a real one does
// rarely or after long. It knows one conversation, c, of one user, u.
type script struct {
	events []string      // of the conversation, as GET …/events answers
	busy   bool          // the first who wants a stream is told to come back in a second
	hold   chan struct{} // who wants a stream waits until it is closed, where it is there
	posts  []int         // the statuses of the first messages; those after them are taken
	pages  []int         // the statuses of the first GET …/events, likewise

	mu        sync.Mutex
	wanting   chan struct{}     // told when someone wants a stream
	upgrades  int               // how many have got one
	opens     []time.Time       // when the client said its first on each
	said      []json.RawMessage // and what
	refreshes []string          // the key of each
	posted    []string          // the key of each message, as often as it came
	lists     int               // how often GET …/events was asked for
	listed    chan struct{}     // told when it is
	came      chan struct{}     // told when a message has come
}

// act is what happens on one connection.
type act func(ws *websocket.Conn)

// play serves one connection after another by the acts; the last one goes on
// for all that follow.
func (s *script) play(t *testing.T, acts ...act) (url string) {
	t.Helper()
	s.listed, s.came, s.wanting = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/auth/ticket", func(w http.ResponseWriter, r *http.Request) {
		if !s.turnedAway(w, r) {
			answerScripted(w, http.StatusCreated, map[string]any{"ticket": "t", "expires_in": 30})
		}
	})
	mux.HandleFunc("POST /v1/auth/refresh", s.refresh)
	mux.HandleFunc("GET /v1/conversations/c/events", s.list)
	mux.HandleFunc("POST /v1/conversations/c/messages", s.post)
	mux.HandleFunc("GET /elsewhere", func(w http.ResponseWriter, _ *http.Request) {
		answerScripted(w, http.StatusOK, map[string]any{"welcome": "to the hotel"})
	})
	var running sync.WaitGroup
	mux.HandleFunc("GET /v1/stream", func(w http.ResponseWriter, r *http.Request) {
		if s.turnedAway(w, r) {
			return
		}
		running.Add(1)
		defer running.Done()
		s.stream(w, r, acts)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.Close()
		running.Wait()
	})
	return server.URL
}

// stream plays one act.
func (s *script) stream(w http.ResponseWriter, r *http.Request, acts []act) {
	s.mu.Lock()
	s.upgrades++
	s.mu.Unlock()
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
}

// turnedAway lets who wants a stream wait, or come later.
func (s *script) turnedAway(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	away := s.busy
	s.busy = false
	s.mu.Unlock()
	wake(s.wanting)
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-r.Context().Done():
			return true
		}
	}
	if away {
		answerScripted(w, http.StatusServiceUnavailable, map[string]any{"code": "busy"})
	}
	return away
}

func (s *script) refresh(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.refreshes = append(s.refreshes, r.Header.Get("Idempotency-Key"))
	n := len(s.refreshes)
	s.mu.Unlock()
	switch n {
	case 1: // its answer breaks off
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusOK)
		panic(http.ErrAbortHandler)
	case 2: // it is answered by something before the server
		answerScripted(w, http.StatusOK, map[string]any{"welcome": "to the hotel"})
	default:
		answerScripted(w, http.StatusOK, map[string]any{"access_token": "a2", "refresh_token": "r2", "expires_in": 900})
	}
}

func (s *script) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.lists++
	status := next(s.pages, s.lists)
	s.mu.Unlock()
	wake(s.listed)
	var after int
	_, _ = fmt.Sscan(r.URL.Query().Get("after"), &after)
	switch {
	case status != 0:
		answerScripted(w, status, map[string]any{})
	case r.Header.Get("Ping-Min-Position") == "": // the read models may not know the membership yet
		answerScripted(w, http.StatusNotFound, map[string]any{"code": "conversation_not_found"})
	default:
		items := []json.RawMessage{}
		for _, e := range s.events[after:] {
			items = append(items, json.RawMessage(e))
		}
		answerScripted(w, http.StatusOK, map[string]any{"items": items, "next": nil})
	}
}

func (s *script) post(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.posted = append(s.posted, r.Header.Get("Idempotency-Key"))
	status := next(s.posts, len(s.posted))
	s.mu.Unlock()
	defer wake(s.came)
	switch {
	case status == 0:
		answerScripted(w, http.StatusCreated, map[string]any{"id": "m", "seq": 6})
	case status >= 300 && status < 400:
		http.Redirect(w, r, "/elsewhere", status)
	case status == 499:
		answerScripted(w, status, map[string]any{"code": "client_gone"})
	default:
		answerScripted(w, status, map[string]any{})
	}
}

func wake(about chan struct{}) {
	select {
	case about <- struct{}{}:
	default:
	}
}

// next is the status of the nth of something; 0 when none is set.
func next(statuses []int, n int) int {
	if n > len(statuses) {
		return 0
	}
	return statuses[n-1]
}

func answerScripted(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// say writes frames. A disconnected client does not receive them.
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
