package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/internal/devservices"
	"ping/internal/e2e/harness"
	"ping/internal/limits"
	"ping/internal/testkit"
)

// outage is a node, two users on it, and a Redis that comes and goes.
type outage struct {
	t            *testing.T // of the whole test
	dir          string
	redis        *devservices.Redis
	base         string
	log          *testkit.Log
	ada, bob     *harness.Client
	conversation string
	ours, theirs *websocket.Conn // Ada's stream and Bob's
	sent         int
}

func newOutage(t *testing.T) *outage {
	o := &outage{t: t, dir: t.TempDir(), log: &testkit.Log{}}
	w := harness.NewWorld(t)
	o.start()
	w.Config.RedisURL = o.redis.URL()
	var err error
	w.Config.Limits, err = limits.Parse(limits.Defaults)
	require.NoError(t, err)
	_, o.base, _ = harness.RunNodeLogging(t, w, slog.New(slog.NewTextHandler(io.MultiWriter(o.log, t.Output()), nil)))
	o.ada, o.bob = harness.Register(t, o.base, "ada"), harness.Register(t, o.base, "bob")
	created := o.ada.Call(t, "POST", "/v1/conversations", map[string]any{"kind": "group", "name": "crew", "members": []string{o.bob.ID}})
	require.Equal(t, http.StatusCreated, created.Status, created.Body)
	o.conversation = "/v1/conversations/" + harness.Text(t, created.Body, "id")
	o.theirs = harness.OpenSocket(t, o.base, o.bob)
	harness.AwaitFrame(t, o.theirs, map[string]string{"type": "ready"})
	o.ours = harness.OpenSocket(t, o.base, o.ada)
	harness.AwaitFrame(t, o.theirs, map[string]string{"type": "presence", "user_id": o.ada.ID, "state": "online"})
	return o
}

func (o *outage) start() {
	o.t.Helper()
	server, err := devservices.StartRedis(o.t.Context(), o.dir)
	require.NoError(o.t, err)
	o.redis = server
	o.t.Cleanup(func() {
		_ = syscall.Kill(server.Pid(), syscall.SIGCONT) // it may have ended, or not have been stopped
		_ = server.Stop()
	})
}

// deliver sends messages, awaits each on Bob's stream, and returns how long
// their answers took, sorted.
func (o *outage) deliver(t *testing.T) (took []time.Duration) {
	t.Helper()
	for range 20 {
		o.sent++
		body := fmt.Sprint("message-", o.sent)
		began := time.Now()
		sent := o.ada.Call(t, "POST", o.conversation+"/messages", map[string]string{"body": body}, "Idempotency-Key", body)
		took = append(took, time.Since(began))
		require.Equal(t, http.StatusCreated, sent.Status, sent.Body)
		harness.AwaitFrame(t, o.theirs, map[string]string{"type": "event", "event": "message.sent", "id": harness.Text(t, sent.Body, "id")})
	}
	slices.Sort(took)
	return took
}

// requireAway asks for all that is not there without Redis.
func (o *outage) requireAway(t *testing.T) {
	t.Helper()
	for _, ask := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/stealth", map[string]any{"body": "x"}},
		{"GET", "/stealth", nil},
		{"DELETE", "/stealth/0190a000-0000-7000-8000-000000000000", nil},
		{"PUT", "/typing", map[string]any{"on": true}},
		{"GET", "/presence", nil},
	} {
		began := time.Now()
		a := o.ada.Call(t, ask.method, o.conversation+ask.path, ask.body)
		require.Less(t, time.Since(began), 3*time.Second, ask.path) // twice patience, by a busy machine
		require.Equal(t, http.StatusServiceUnavailable, a.Status, "%s %s: %v", ask.method, ask.path, a.Body)
		require.Equal(t, "ephemeral_unavailable", harness.Text(t, a.Body, "code"))
		require.NotEmpty(t, a.Header.Get("Retry-After"))
	}
	began := time.Now()
	ticket := o.ada.Call(t, "POST", "/v1/auth/ticket", nil)
	require.Less(t, time.Since(began), 3*time.Second)
	require.Equal(t, http.StatusServiceUnavailable, ticket.Status, ticket.Body)
	require.Equal(t, "tickets_unavailable", harness.Text(t, ticket.Body, "code"))
	require.NotEmpty(t, ticket.Header.Get("Retry-After"))
	_, unopened, err := websocket.Dial(t.Context(), o.base+"/v1/stream?ticket=x", &websocket.DialOptions{Subprotocols: []string{"ping.v1.json"}})
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, unopened.StatusCode)
	_, id, _ := strings.Cut(o.conversation[1:], "conversations/")
	frame, err := json.Marshal(map[string]any{"type": "typing", "conversation_id": id, "on": true, "id": "t"})
	require.NoError(t, err)
	require.NoError(t, o.ours.Write(t.Context(), websocket.MessageText, frame))
	refused := harness.AwaitFrame(t, o.ours, map[string]string{"type": "error", "code": "ephemeral_unavailable", "re": "t"})
	require.Positive(t, refused["retry_after_ms"])
}

// requireBack waits until all is there again.
func (o *outage) requireBack(t *testing.T) {
	t.Helper()
	var sent harness.Answer
	require.Eventually(t, func() bool {
		sent = o.ada.Call(t, "POST", o.conversation+"/stealth", map[string]any{"body": "psst"})
		return sent.Status == http.StatusCreated
	}, 20*time.Second, 20*time.Millisecond)
	require.NotEmpty(t, o.bob.Call(t, "GET", o.conversation+"/stealth", nil).Body["items"])
	require.Eventually(t, func() bool {
		seen := o.bob.Call(t, "GET", o.conversation+"/presence", nil)
		items, _ := seen.Body["items"].([]any)
		online := 0
		for _, item := range items {
			if item.(map[string]any)["state"] == "online" {
				online++
			}
		}
		return seen.Status == http.StatusOK && online == 2
	}, 30*time.Second, 20*time.Millisecond, "presence comes back with the next beat")
	withdrawn := o.ada.Call(t, "DELETE", o.conversation+"/stealth/"+harness.Text(t, sent.Body, "id"), nil)
	require.Equal(t, http.StatusNoContent, withdrawn.Status, withdrawn.Body)
	require.Equal(t, http.StatusNoContent, o.ada.Call(t, "PUT", o.conversation+"/typing", map[string]any{"on": true}).Status)
	harness.AwaitFrame(t, o.theirs, map[string]string{"type": "typing", "user_id": o.ada.ID})
}

// TestRedisOnDisk: a node says that its Redis keeps what is to be nowhere.
func TestRedisOnDisk(t *testing.T) {
	w := harness.NewWorld(t)
	server, err := devservices.StartRedis(t.Context(), t.TempDir(), "appendonly yes")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	w.Config.RedisURL = server.URL()
	log := &testkit.Log{}
	harness.RunNodeLogging(t, w, slog.New(slog.NewTextHandler(log, nil)))
	require.Eventually(t, func() bool { return len(log.Since(0, "redis writes to its disk")) == 1 }, 20*time.Second, 5*time.Millisecond)
	require.Len(t, log.Since(0, "level=WARN"), 1)
}

// TestRedisOutage: without Redis, messages are unaffected, the ephemeral store is
// unavailable, and everything recovers by itself.
func TestRedisOutage(t *testing.T) {
	o := newOutage(t)
	before := o.deliver(t)
	requireCalm := func(t *testing.T, from int) {
		t.Helper()
		require.Len(t, o.log.Since(from, "stealth messages, typing and presence are unavailable"), 1)
		require.Len(t, o.log.Since(from, "stealth messages, typing and presence are available"), 1)
		require.LessOrEqual(t, len(o.log.Since(from, "level=WARN")), 2, "one of the ephemeral store and one of the limits")
		require.Empty(t, o.log.Since(from, "level=ERROR"))
	}
	t.Run("of a Redis that has ended", func(t *testing.T) {
		from := len(o.log.String())
		require.NoError(t, o.redis.Stop())
		o.requireAway(t)
		took := o.deliver(t)
		t.Logf("a message took %s, %s at most; with Redis %s, %s at most", took[len(took)/2], took[len(took)-1], before[len(before)/2], before[len(before)-1])
		require.Less(t, took[len(took)/2], 250*time.Millisecond, "most wait for nothing")
		o.requireAway(t)
		o.start()
		gap := harness.AwaitFrame(t, o.theirs, map[string]string{"type": "ephemeral_gap"})
		require.Contains(t, gap, "after_ms")
		harness.AwaitFrame(t, o.ours, map[string]string{"type": "ephemeral_gap"})
		o.requireBack(t)
		o.deliver(t)
		requireCalm(t, from)
	})
	t.Run("of a Redis that hangs", func(t *testing.T) {
		from := len(o.log.String())
		require.NoError(t, syscall.Kill(o.redis.Pid(), syscall.SIGSTOP))
		o.requireAway(t)
		took := o.deliver(t)
		t.Logf("a message took %s, %s at most", took[len(took)/2], took[len(took)-1])
		require.Less(t, took[len(took)/2], 250*time.Millisecond, "most wait for nothing")
		require.Less(t, took[len(took)-1], 2*time.Second, "none waits for more than the limits' patience")
		o.requireAway(t)
		require.NoError(t, syscall.Kill(o.redis.Pid(), syscall.SIGCONT))
		o.requireBack(t)
		o.deliver(t)
		requireCalm(t, from)
	})
}
