package client

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeServer answers each message with the next status of answers, and has no
// WebSocket.
type fakeServer struct {
	answers []int

	mu       sync.Mutex
	received []string // key and body
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	var body struct{ Body string }
	_ = json.NewDecoder(r.Body).Decode(&body) // the test checks the body
	s.mu.Lock()
	defer s.mu.Unlock()
	status := http.StatusCreated
	if len(s.received) < len(s.answers) {
		status = s.answers[len(s.received)]
	}
	s.received = append(s.received, r.Header.Get("Idempotency-Key")+" "+body.Body)
	switch status {
	case 0: // a proxy's own answer
		http.Error(w, "<h1>no such site</h1>", http.StatusNotFound)
	case http.StatusCreated:
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"id":"of ` + body.Body + `","seq":7}`))
	default:
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"code":"a_code","detail":"d"}`))
	}
}

func newTestClient(t *testing.T, server http.Handler) *Client {
	t.Helper()
	at := httptest.NewServer(server)
	t.Cleanup(at.Close)
	session := Session{AccessToken: "a", RefreshToken: "r", RefreshAt: time.Now().Add(time.Hour)}
	return New(at.URL, session, Handler{}, Config{MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond})
}

// run runs a client until the test ends.
func run(t *testing.T, c *Client) {
	t.Helper()
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(t.Context()) })
	t.Cleanup(running.Wait) // the test's context has ended by then
}

func TestSend(t *testing.T) {
	t.Run("retries with the same key and keeps the order", func(t *testing.T) {
		s := &fakeServer{answers: []int{500, 503, 429, 408, 0, 201}}
		c := newTestClient(t, s)
		first, second := c.Send(Draft{ConversationID: "c", Body: "first", Key: "k1"}), c.Send(Draft{ConversationID: "c", Body: "second", Key: "k2"})
		run(t, c)
		<-second.Done()
		message, err := first.Result()
		require.NoError(t, err)
		require.Equal(t, Message{ID: "of first", Seq: 7}, message)
		require.Equal(t, []string{"k1 first", "k1 first", "k1 first", "k1 first", "k1 first", "k1 first", "k2 second"}, s.received)
	})
	t.Run("a refusal affects one message only", func(t *testing.T) {
		c := newTestClient(t, &fakeServer{answers: []int{422}})
		first, second := c.Send(Draft{ConversationID: "c", Body: ""}), c.Send(Draft{ConversationID: "c", Body: "second"})
		run(t, c)
		<-second.Done()
		_, err := first.Result()
		require.EqualError(t, err, "422 a_code: d")
		_, err = second.Result()
		require.NoError(t, err)
		require.Empty(t, c.Unsent())
	})
	t.Run("keeps what is unsent for the next run", func(t *testing.T) {
		c := newTestClient(t, &fakeServer{})
		for _, body := range []string{"1", "2", "3"} {
			c.Send(Draft{ConversationID: "c", Body: body})
		}
		drafts := c.Unsent()
		require.Len(t, drafts, 3)
		s := &fakeServer{}
		restarted := newTestClient(t, s)
		var last *Sending
		for _, d := range drafts {
			last = restarted.Send(d)
		}
		run(t, restarted)
		<-last.Done()
		require.Equal(t, []string{drafts[0].Key + " 1", drafts[1].Key + " 2", drafts[2].Key + " 3"}, s.received)
	})
}

func TestJitter(t *testing.T) {
	c := Config{MinBackoff: 10 * time.Millisecond, MaxBackoff: time.Second}
	for n, bound := range map[int]time.Duration{0: 10 * time.Millisecond, 3: 80 * time.Millisecond, 6: 640 * time.Millisecond, 7: time.Second, 1000: time.Second} {
		var lowest, highest time.Duration = time.Hour, 0
		for range 1000 {
			d := c.jitter(n)
			lowest, highest = min(lowest, d), max(highest, d)
		}
		require.LessOrEqual(t, highest, bound)
		require.Greater(t, highest, bound*9/10, "the whole range is used")
		require.Less(t, lowest, bound/10, "including its beginning")
	}
}
