package main

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/internal/limits"
	"ping/internal/testkit"
)

// TestRedisCluster runs nodes on a Redis Cluster, and does with them all that
// Redis is for.
func TestRedisCluster(t *testing.T) {
	w := newWorld(t)
	w.cfg.RedisURL = testkit.RedisClusterURL(t)
	var err error
	w.cfg.Limits, err = limits.Parse("login=3/h")
	require.NoError(t, err)
	one, other := startNode(t, w), startNode(t, w)
	ada, bob := register(t, one, "ada"), register(t, one, "bob")
	created := ada.call(t, "POST", "/v1/conversations", map[string]any{"kind": "group", "name": "crew", "members": []string{bob.id}})
	require.Equal(t, http.StatusCreated, created.status, created.body)
	conversation := "/v1/conversations/" + text(t, created.body, "id")
	stream := openStream(t, other, bob)
	awaitFrame(t, stream, map[string]string{"type": "ready"})
	require.Equal(t, "ok", text(t, ada.call(t, "GET", "/readyz", nil).body, "dependencies", "redis"))

	t.Run("stealth messages reach the other node, and go", func(t *testing.T) {
		sent := ada.call(t, "POST", conversation+"/stealth", map[string]any{"body": "psst"}, "Idempotency-Key", "k")
		require.Equal(t, http.StatusCreated, sent.status, sent.body)
		stealth := text(t, sent.body, "id")
		awaitFrame(t, stream, map[string]string{"type": "stealth", "id": stealth, "body": "psst"})
		again := ada.call(t, "POST", conversation+"/stealth", map[string]any{"body": "psst"}, "Idempotency-Key", "k")
		require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
		require.Len(t, bob.call(t, "GET", conversation+"/stealth", nil).body["items"], 1)
		require.Equal(t, http.StatusNoContent, ada.call(t, "DELETE", conversation+"/stealth/"+stealth, nil).status)
		awaitFrame(t, stream, map[string]string{"type": "stealth_gone", "id": stealth, "reason": "withdrawn"})
		brief := ada.call(t, "POST", conversation+"/stealth", map[string]any{"body": "brief", "ttl_seconds": 1})
		awaitFrame(t, stream, map[string]string{"type": "stealth_gone", "id": text(t, brief.body, "id"), "reason": "expired"})
	})
	t.Run("typing and presence do", func(t *testing.T) {
		require.Equal(t, http.StatusNoContent, ada.call(t, "PUT", conversation+"/typing", map[string]any{"on": true}).status)
		awaitFrame(t, stream, map[string]string{"type": "typing", "user_id": ada.id})
		openStream(t, one, ada)
		awaitFrame(t, stream, map[string]string{"type": "presence", "user_id": ada.id, "state": "online"})
		seen := bob.call(t, "GET", conversation+"/presence", nil)
		require.Equal(t, http.StatusOK, seen.status, seen.body)
		require.Len(t, seen.body["items"], 2)
	})
	t.Run("limits are kept over nodes", func(t *testing.T) {
		logIns := 0
		for ; logIns < 10; logIns++ {
			c := &client{base: []string{one, other}[logIns%2]}
			a := c.call(t, "POST", "/v1/auth/login", map[string]string{"email": "ada@example.org", "password": password})
			if a.status == http.StatusTooManyRequests {
				break
			}
			require.Equal(t, http.StatusOK, a.status, a.body)
		}
		require.Equal(t, 3, logIns)
	})
	t.Run("tickets are good once", func(t *testing.T) {
		given := bob.call(t, "POST", "/v1/auth/ticket", nil)
		require.Equal(t, http.StatusCreated, given.status, given.body)
		address := one + "/v1/stream?ticket=" + text(t, given.body, "ticket")
		ws, _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{Subprotocols: []string{"ping.v1.json"}})
		require.NoError(t, err)
		defer ws.CloseNow()
		_, response, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{Subprotocols: []string{"ping.v1.json"}})
		require.Error(t, err)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	})
	t.Run("what ends is told to other nodes", func(t *testing.T) {
		require.Equal(t, http.StatusNoContent, bob.call(t, "POST", "/v1/auth/logout", nil).status)
		require.Equal(t, websocket.StatusCode(4501), closeStatus(t, stream))
	})
	t.Run("metrics count no outage", func(t *testing.T) {
		require.Contains(t, metricsOf(t, one), "ping_limits_unchecked_total 0")
	})
}
