package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ping/internal/devservices"
	"ping/internal/node"
	"ping/internal/testkit"
)

// world is what some nodes stand on together.
type world struct {
	cfg  node.Config
	nats *devservices.NATS
}

func newWorld(t *testing.T) world {
	t.Helper()
	redis := testkit.Redis(t).Options()
	server := testkit.NATS(t)
	return world{
		nats: server,
		cfg: node.Config{
			DatabaseURL: testkit.DatabaseURL(t), RedisURL: "unix://" + redis.Addr + "?db=" + strconv.Itoa(redis.DB),
			NATSURL: server.ClientURL(), JWTSecret: strings.Repeat("s", node.MinSecret),
			Drain: 100 * time.Millisecond, DatabaseConns: 12,
		},
	}
}

// startNode runs a node until the test ends, and returns where it serves.
func startNode(t *testing.T, w world) (base string) {
	t.Helper()
	_, base = runNode(t, w)
	return base
}

// runNode is startNode for who looks inside the node too.
func runNode(t *testing.T, w world) (n *node.Node, base string) {
	t.Helper()
	n, base, _ = runNodeLogging(t, w, testkit.Logger(t))
	return n, base
}

// runNodeLogging is runNode for who reads its log, or ends it before the test
// does.
func runNodeLogging(t *testing.T, w world, logger *slog.Logger) (n *node.Node, base string, stop func()) {
	t.Helper()
	clients, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n, err = node.New(t.Context(), w.cfg, logger)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx, node.Listeners{Clients: clients}) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return n, "http://" + clients.Addr().String(), stop
}

// openStream opens the user's stream at a node.
func openStream(t *testing.T, base string, user *client) *websocket.Conn {
	t.Helper()
	var ws *websocket.Conn
	var err error
	require.Eventually(t, func() bool {
		var answer *http.Response
		ws, answer, err = websocket.Dial(t.Context(), base+"/v1/stream", &websocket.DialOptions{
			Subprotocols: []string{"ping.v1.json"},
			HTTPHeader:   http.Header{"Authorization": {"Bearer " + user.token}},
		})
		return answer == nil || answer.StatusCode != http.StatusServiceUnavailable // a node has to catch up first
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.CloseNow() }) // the server may have closed it
	return ws
}

// awaitFrame reads frames until one has these values.
func awaitFrame(t *testing.T, ws *websocket.Conn, want map[string]string) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, content, err := ws.Read(ctx)
		require.NoError(t, err, "no frame came with %v", want)
		var frame map[string]any
		require.NoError(t, json.Unmarshal(content, &frame))
		matches := true
		for key, value := range want {
			matches = matches && frame[key] == value
		}
		if matches {
			return frame
		}
	}
}

func TestNodes(t *testing.T) {
	w := newWorld(t)
	one, other := startNode(t, w), startNode(t, w)
	ada, bob := register(t, one, "ada"), register(t, one, "bob")
	stream := openStream(t, other, bob)
	awaitFrame(t, stream, map[string]string{"type": "ready"})

	created := ada.call(t, "POST", "/v1/conversations", map[string]any{"kind": "direct", "members": []string{bob.id}})
	require.Equal(t, http.StatusCreated, created.status, created.body)
	messages := "/v1/conversations/" + text(t, created.body, "id") + "/messages"

	// send sends at one node, and awaits the message on the stream of the other
	// and in that one's history.
	send := func(t *testing.T, body string) {
		t.Helper()
		sent := ada.call(t, "POST", messages, map[string]string{"body": body}, "Idempotency-Key", strings.ReplaceAll(body, " ", "-"))
		require.Equal(t, http.StatusCreated, sent.status, sent.body)
		frame := awaitFrame(t, stream, map[string]string{"type": "event", "event": "message.sent", "id": text(t, sent.body, "id")})
		require.Equal(t, body, text(t, frame, "data", "body"))
		reader := &client{base: other, token: bob.token}
		history := reader.call(t, "GET", messages+"?limit=1", nil, "Ping-Min-Position", sent.header.Get("Ping-Position"))
		require.Equal(t, http.StatusOK, history.status, history.body)
		newest := history.body["items"].([]any)[0].(map[string]any)
		require.Equal(t, sent.body["id"], newest["id"])
		require.Equal(t, body, newest["body"])
	}

	t.Run("deliver what another node took", func(t *testing.T) {
		send(t, "hello")
	})
	t.Run("answer a retry at another node as the first time", func(t *testing.T) {
		retry := &client{base: other, token: ada.token}
		first := ada.call(t, "POST", messages, map[string]string{"body": "once"}, "Idempotency-Key", "once")
		second := retry.call(t, "POST", messages, map[string]string{"body": "once"}, "Idempotency-Key", "once")
		require.Equal(t, "true", second.header.Get("Idempotent-Replayed"))
		require.Equal(t, first.body, second.body)
	})
	t.Run("tell whether they are ready, and go on without NATS", func(t *testing.T) {
		anyone := &client{base: one}
		require.Equal(t, map[string]any{
			"status":       "ok",
			"dependencies": map[string]any{"postgres": "ok", "redis": "ok", "nats": "ok"},
		}, anyone.call(t, "GET", "/readyz", nil).body)

		w.nats.Stop()
		require.Eventually(t, func() bool {
			return anyone.call(t, "GET", "/readyz", nil).body["status"] == "degraded"
		}, 10*time.Second, 10*time.Millisecond)
		send(t, "without NATS")
		require.NoError(t, w.nats.Start())
		require.Eventually(t, func() bool {
			return anyone.call(t, "GET", "/readyz", nil).body["status"] == "ok"
		}, 10*time.Second, 10*time.Millisecond)
		send(t, "with NATS again")
	})
	t.Run("count what they do", func(t *testing.T) {
		content := metricsOf(t, one)
		require.Contains(t, content, "ping_streams 0")
		require.Contains(t, content, "ping_limits_unchecked_total 0")
		require.Contains(t, content, "process_cpu_seconds_total")
	})
}

// metricsOf reads the metrics of a node.
func metricsOf(t *testing.T, base string) string {
	t.Helper()
	response, err := http.Get(base + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(content)
}

// TestEndedIsRefused: what has ended is refused by all nodes, also by one that
// cannot hear of it and by one that was not there.
func TestEndedIsRefused(t *testing.T) {
	w := newWorld(t)
	deaf := w
	deaf.cfg.RedisURL = "unix:///nonexistent/redis.sock"
	bases := []string{startNode(t, w), startNode(t, w), startNode(t, deaf)}

	// ended waits until all nodes refuse a user whose token was good, and have
	// closed the user's streams.
	ended := func(t *testing.T, name string, code websocket.StatusCode, end func(user *client)) {
		t.Helper()
		user := register(t, bases[0], name)
		status := func(base string) int {
			c := &client{base: base, token: user.token}
			return c.call(t, "GET", "/v1/conversations", nil).status
		}
		var streams []*websocket.Conn
		for _, base := range bases {
			require.Equal(t, http.StatusOK, status(base))
			streams = append(streams, openStream(t, base, user))
		}
		end(user)
		for i, base := range append(bases, startNode(t, w)) {
			require.Eventually(t, func() bool { return status(base) == http.StatusUnauthorized }, 10*time.Second, 10*time.Millisecond, "node %d", i)
		}
		for _, stream := range streams {
			require.Equal(t, code, closeStatus(t, stream))
		}
	}
	t.Run("a session that was logged out", func(t *testing.T) {
		ended(t, "ada", 4501, func(user *client) {
			require.Equal(t, http.StatusNoContent, user.call(t, "POST", "/v1/auth/logout", nil).status)
			require.Equal(t, http.StatusUnauthorized, user.call(t, "POST", "/v1/auth/ticket", nil).status, "at once where it ended")
		})
	})
	t.Run("a user who asked to be erased", func(t *testing.T) {
		ended(t, "bob", 4502, func(user *client) {
			db, err := pgx.Connect(t.Context(), w.cfg.DatabaseURL)
			require.NoError(t, err)
			defer db.Close(t.Context())
			_, err = db.Exec(t.Context(), `INSERT INTO identity.erasures (user_id) VALUES ($1)`, user.id)
			require.NoError(t, err)
		})
	})
	t.Run("a session that a node without Redis logged out", func(t *testing.T) {
		ended(t, "cem", 4501, func(user *client) {
			there := &client{base: bases[2], token: user.token}
			require.Equal(t, http.StatusNoContent, there.call(t, "POST", "/v1/auth/logout", nil).status)
			require.Equal(t, http.StatusUnauthorized, there.call(t, "GET", "/v1/conversations", nil).status, "at once where it ended")
		})
	})
}

// closeStatus reads a stream up to its end.
func closeStatus(t *testing.T, ws *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if _, _, err := ws.Read(ctx); err != nil {
			require.NoError(t, ctx.Err())
			return websocket.CloseStatus(err)
		}
	}
}

func TestNodeEndsWithItsReason(t *testing.T) {
	w := newWorld(t)
	clients, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n, err := node.New(t.Context(), w.cfg, testkit.Logger(t))
	require.NoError(t, err)
	require.NoError(t, clients.Close()) // serving fails at once
	require.ErrorContains(t, n.Run(t.Context(), node.Listeners{Clients: clients}), "http: ")
}
