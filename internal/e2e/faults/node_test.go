package faults

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
	"ping/internal/node"
	"ping/internal/testkit"
)

func TestNodes(t *testing.T) {
	w := harness.NewWorld(t)
	one, other := harness.StartNode(t, w), harness.StartNode(t, w)
	ada, bob := harness.Register(t, one, "ada"), harness.Register(t, one, "bob")
	stream := harness.OpenSocket(t, other, bob)
	harness.AwaitFrame(t, stream, map[string]string{"type": "ready"})

	created := ada.Call(t, "POST", "/v1/conversations", map[string]any{"kind": "direct", "members": []string{bob.ID}})
	require.Equal(t, http.StatusCreated, created.Status, created.Body)
	messages := "/v1/conversations/" + harness.Text(t, created.Body, "id") + "/messages"

	// send sends at one node, and awaits the message on the stream of the other
	// and in that one's history.
	send := func(t *testing.T, body string) {
		t.Helper()
		sent := ada.Call(t, "POST", messages, map[string]string{"body": body}, "Idempotency-Key", strings.ReplaceAll(body, " ", "-"))
		require.Equal(t, http.StatusCreated, sent.Status, sent.Body)
		frame := harness.AwaitFrame(t, stream, map[string]string{"type": "event", "event": "message.sent", "id": harness.Text(t, sent.Body, "id")})
		require.Equal(t, body, harness.Text(t, frame, "data", "body"))
		reader := &harness.Client{Base: other, Token: bob.Token}
		history := reader.Call(t, "GET", messages+"?limit=1", nil, "Ping-Min-Position", sent.Header.Get("Ping-Position"))
		require.Equal(t, http.StatusOK, history.Status, history.Body)
		newest := history.Body["items"].([]any)[0].(map[string]any)
		require.Equal(t, sent.Body["id"], newest["id"])
		require.Equal(t, body, newest["body"])
	}

	t.Run("deliver what another node took", func(t *testing.T) {
		send(t, "hello")
	})
	t.Run("answer a retry at another node as the first time", func(t *testing.T) {
		retry := &harness.Client{Base: other, Token: ada.Token}
		first := ada.Call(t, "POST", messages, map[string]string{"body": "once"}, "Idempotency-Key", "once")
		second := retry.Call(t, "POST", messages, map[string]string{"body": "once"}, "Idempotency-Key", "once")
		require.Equal(t, "true", second.Header.Get("Idempotent-Replayed"))
		require.Equal(t, first.Body, second.Body)
	})
	t.Run("tell whether they are ready, and go on without NATS", func(t *testing.T) {
		anyone := &harness.Client{Base: one}
		require.Equal(t, map[string]any{
			"status":       "ok",
			"dependencies": map[string]any{"postgres": "ok", "redis": "ok", "nats": "ok"},
		}, anyone.Call(t, "GET", "/readyz", nil).Body)

		w.NATS.Stop()
		require.Eventually(t, func() bool {
			return anyone.Call(t, "GET", "/readyz", nil).Body["status"] == "degraded"
		}, 10*time.Second, 10*time.Millisecond)
		send(t, "without NATS")
		require.NoError(t, w.NATS.Start())
		require.Eventually(t, func() bool {
			return anyone.Call(t, "GET", "/readyz", nil).Body["status"] == "ok"
		}, 10*time.Second, 10*time.Millisecond)
		send(t, "with NATS again")
	})
	t.Run("count what they do", func(t *testing.T) {
		content := harness.MetricsOf(t, one)
		require.Contains(t, content, "ping_streams 0")
		require.Contains(t, content, "ping_limits_unchecked_total 0")
		require.Contains(t, content, "process_cpu_seconds_total")
	})
}

// TestEndedIsRefused: all nodes refuse tokens of ended sessions, including a node
// without Redis and one that was started later.
func TestEndedIsRefused(t *testing.T) {
	w := harness.NewWorld(t)
	deaf := w
	deaf.Config.RedisURL = "unix:///nonexistent/redis.sock"
	bases := []string{harness.StartNode(t, w), harness.StartNode(t, w), harness.StartNode(t, deaf)}

	// ended waits until all nodes refuse a user whose token was good, and have
	// closed the user's streams.
	ended := func(t *testing.T, name string, code websocket.StatusCode, end func(user *harness.Client)) {
		t.Helper()
		user := harness.Register(t, bases[0], name)
		status := func(base string) int {
			c := &harness.Client{Base: base, Token: user.Token}
			return c.Call(t, "GET", "/v1/conversations", nil).Status
		}
		var streams []*websocket.Conn
		for _, base := range bases {
			require.Equal(t, http.StatusOK, status(base))
			streams = append(streams, harness.OpenSocket(t, base, user))
		}
		end(user)
		for i, base := range append(bases, harness.StartNode(t, w)) {
			require.Eventually(t, func() bool { return status(base) == http.StatusUnauthorized }, 10*time.Second, 10*time.Millisecond, "node %d", i)
		}
		for _, stream := range streams {
			require.Equal(t, code, harness.CloseStatus(t, stream))
		}
	}
	t.Run("a session that was logged out", func(t *testing.T) {
		ended(t, "ada", 4501, func(user *harness.Client) {
			require.Equal(t, http.StatusNoContent, user.Call(t, "POST", "/v1/auth/logout", nil).Status)
			require.Equal(t, http.StatusUnauthorized, user.Call(t, "POST", "/v1/auth/ticket", nil).Status, "at once where it ended")
		})
	})
	t.Run("a user who asked to be erased", func(t *testing.T) {
		ended(t, "bob", 4502, func(user *harness.Client) {
			db, err := pgx.Connect(t.Context(), w.Config.DatabaseURL)
			require.NoError(t, err)
			defer db.Close(t.Context())
			_, err = db.Exec(t.Context(), `INSERT INTO identity.erasures (user_id) VALUES ($1)`, user.ID)
			require.NoError(t, err)
		})
	})
	t.Run("a session that a node without Redis logged out", func(t *testing.T) {
		ended(t, "cem", 4501, func(user *harness.Client) {
			there := &harness.Client{Base: bases[2], Token: user.Token}
			require.Equal(t, http.StatusNoContent, there.Call(t, "POST", "/v1/auth/logout", nil).Status)
			require.Equal(t, http.StatusUnauthorized, there.Call(t, "GET", "/v1/conversations", nil).Status, "at once where it ended")
		})
	})
}

func TestNodeEndsWithItsReason(t *testing.T) {
	w := harness.NewWorld(t)
	clients, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n, err := node.New(t.Context(), w.Config, testkit.Logger(t))
	require.NoError(t, err)
	require.NoError(t, clients.Close()) // serving fails at once
	require.ErrorContains(t, n.Run(t.Context(), node.Listeners{Clients: clients}), "http: ")
}
