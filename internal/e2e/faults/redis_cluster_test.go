package faults

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
	"ping/internal/limits"
	"ping/internal/testkit"
)

// TestRedisCluster runs nodes on a Redis Cluster, and does with them all that
// Redis is for.
func TestRedisCluster(t *testing.T) {
	w := harness.NewWorld(t)
	w.Config.RedisURL = testkit.RedisClusterURL(t)
	var err error
	w.Config.Limits, err = limits.Parse("login=3/h")
	require.NoError(t, err)
	one, other := harness.StartNode(t, w), harness.StartNode(t, w)
	ada, bob := harness.Register(t, one, "ada"), harness.Register(t, one, "bob")
	created := ada.Call(t, "POST", "/v1/conversations", map[string]any{"kind": "group", "name": "crew", "members": []string{bob.ID}})
	require.Equal(t, http.StatusCreated, created.Status, created.Body)
	conversation := "/v1/conversations/" + harness.Text(t, created.Body, "id")
	stream := harness.OpenSocket(t, other, bob)
	harness.AwaitFrame(t, stream, map[string]string{"type": "ready"})
	require.Equal(t, "ok", harness.Text(t, ada.Call(t, "GET", "/readyz", nil).Body, "dependencies", "redis"))

	t.Run("stealth messages reach the other node, and go", func(t *testing.T) {
		sent := ada.Call(t, "POST", conversation+"/stealth", map[string]any{"body": "psst"}, "Idempotency-Key", "k")
		require.Equal(t, http.StatusCreated, sent.Status, sent.Body)
		stealth := harness.Text(t, sent.Body, "id")
		harness.AwaitFrame(t, stream, map[string]string{"type": "stealth", "id": stealth, "body": "psst"})
		again := ada.Call(t, "POST", conversation+"/stealth", map[string]any{"body": "psst"}, "Idempotency-Key", "k")
		require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
		require.Len(t, bob.Call(t, "GET", conversation+"/stealth", nil).Body["items"], 1)
		require.Equal(t, http.StatusNoContent, ada.Call(t, "DELETE", conversation+"/stealth/"+stealth, nil).Status)
		harness.AwaitFrame(t, stream, map[string]string{"type": "stealth_gone", "id": stealth, "reason": "withdrawn"})
		brief := ada.Call(t, "POST", conversation+"/stealth", map[string]any{"body": "brief", "ttl_seconds": 1})
		harness.AwaitFrame(t, stream, map[string]string{"type": "stealth_gone", "id": harness.Text(t, brief.Body, "id"), "reason": "expired"})
	})
	t.Run("typing and presence do", func(t *testing.T) {
		require.Equal(t, http.StatusNoContent, ada.Call(t, "PUT", conversation+"/typing", map[string]any{"on": true}).Status)
		harness.AwaitFrame(t, stream, map[string]string{"type": "typing", "user_id": ada.ID})
		harness.OpenSocket(t, one, ada)
		harness.AwaitFrame(t, stream, map[string]string{"type": "presence", "user_id": ada.ID, "state": "online"})
		seen := bob.Call(t, "GET", conversation+"/presence", nil)
		require.Equal(t, http.StatusOK, seen.Status, seen.Body)
		require.Len(t, seen.Body["items"], 2)
	})
	t.Run("limits are kept over nodes", func(t *testing.T) {
		logIns := 0
		for ; logIns < 10; logIns++ {
			c := &harness.Client{Base: []string{one, other}[logIns%2]}
			a := c.Call(t, "POST", "/v1/auth/login", map[string]string{"email": "ada@example.org", "password": harness.Password})
			if a.Status == http.StatusTooManyRequests {
				break
			}
			require.Equal(t, http.StatusOK, a.Status, a.Body)
		}
		require.Equal(t, 3, logIns)
	})
	t.Run("tickets are good once", func(t *testing.T) {
		given := bob.Call(t, "POST", "/v1/auth/ticket", nil)
		require.Equal(t, http.StatusCreated, given.Status, given.Body)
		address := one + "/v1/stream?ticket=" + harness.Text(t, given.Body, "ticket")
		ws, _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{Subprotocols: []string{"ping.v1.json"}})
		require.NoError(t, err)
		defer ws.CloseNow()
		_, response, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{Subprotocols: []string{"ping.v1.json"}})
		require.Error(t, err)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	})
	t.Run("what ends is told to other nodes", func(t *testing.T) {
		require.Equal(t, http.StatusNoContent, bob.Call(t, "POST", "/v1/auth/logout", nil).Status)
		require.Equal(t, websocket.StatusCode(4501), harness.CloseStatus(t, stream))
	})
	t.Run("metrics count no outage", func(t *testing.T) {
		require.Contains(t, harness.MetricsOf(t, one), "ping_limits_unchecked_total 0")
	})
}
