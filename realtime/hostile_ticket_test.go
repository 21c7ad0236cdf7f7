package realtime

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/internal/auth"
	"ping/internal/testkit"
	"ping/realtime/protocol"
)

// TestTickets: a ticket stands in a URL, so it opens one stream, and soon none.
func TestTickets(t *testing.T) {
	w, rdb := newWorld(t), testkit.Redis(t)
	w.tickets = auth.NewTickets(rdb)
	nodes := []*node{w.start(Config{}), w.start(Config{})}
	user := newID()
	claims := auth.Claims{UserID: user, SessionID: user, ExpiresAt: time.Now().Add(time.Minute)}
	dial := func(n *node, ticket string) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(waitAtMost(t), n.url+"?resume=0&ticket="+ticket, &websocket.DialOptions{Subprotocols: []string{protocol.Subprotocol}})
	}
	t.Run("open_one_stream_however_many_try_at_once", func(t *testing.T) {
		for range 5 {
			ticket, err := w.tickets.Issue(t.Context(), claims)
			require.NoError(t, err)
			var opened, refused atomic.Int64
			var tries sync.WaitGroup
			start := make(chan struct{})
			for i := range 20 {
				tries.Go(func() {
					<-start
					conn, response, err := dial(nodes[i%len(nodes)], ticket)
					switch {
					case err == nil:
						opened.Add(1)
						_ = conn.CloseNow()
					case response != nil && response.StatusCode == http.StatusUnauthorized:
						refused.Add(1)
					}
				})
			}
			close(start)
			tries.Wait()
			require.EqualValues(t, 1, opened.Load())
			require.EqualValues(t, 19, refused.Load())
		}
	})
	t.Run("open_none_after_their_time", func(t *testing.T) {
		ticket, err := w.tickets.Issue(t.Context(), claims)
		require.NoError(t, err)
		key := onlyTicket(t, rdb)
		left, err := rdb.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		require.LessOrEqual(t, left, auth.TicketLife)
		require.NotContains(t, key, ticket, "who lists Redis's keys has no ticket")
		require.NoError(t, rdb.PExpire(t.Context(), key, time.Millisecond).Err())
		require.Eventually(t, func() bool { return rdb.Exists(t.Context(), key).Val() == 0 }, 10*time.Second, time.Millisecond)
		_, response, err := dial(nodes[0], ticket)
		require.Error(t, err)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	})
	t.Run("open_none_once_their_token_has_expired", func(t *testing.T) {
		expired := claims
		expired.ExpiresAt = time.Now().Add(-time.Second)
		ticket, err := w.tickets.Issue(t.Context(), expired)
		require.NoError(t, err)
		conn, _, err := dial(nodes[0], ticket)
		require.NoError(t, err, "the stream opens to tell why")
		c := newClient(t, user)
		c.conn = conn
		require.Equal(t, protocol.CloseExpired, c.closed())
		require.Empty(t, c.events)
	})
}

func onlyTicket(t *testing.T, rdb *redis.Client) string {
	t.Helper()
	keys, err := rdb.Keys(t.Context(), "ping:ticket:*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return keys[0]
}

// TestUpgradeKey: what gorilla would refuse in words of its own is refused in
// those of the contract.
func TestUpgradeKey(t *testing.T) {
	n := newWorld(t).start(Config{})
	for _, key := range []string{"", "x", "AAAAAAAAAAAAAAAAAAAAAAAA", "????????????????????????"} {
		request, err := http.NewRequest(http.MethodGet, n.url, nil)
		require.NoError(t, err)
		request.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {key}, "Sec-Websocket-Protocol": {protocol.Subprotocol}, "Authorization": {"Bearer " + n.token(newID())}}
		response, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		http.DefaultClient.CloseIdleConnections()
		require.Equal(t, http.StatusUpgradeRequired, response.StatusCode, key)
		require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
	}
}
