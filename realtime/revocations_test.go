package realtime

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/identity"
	"ping/internal/testkit"
	"ping/realtime/protocol"
)

// revocations are what a node is told of what has ended.
func (n *node) revocations() *auth.Revocations {
	return auth.NewRevocations(testkit.Redis(n.t), identity.NewStore(n.pool).Revoked, n.tokens, n.hub.CloseSession, n.hub.CloseUser, auth.Config{}, testkit.Logger(n.t))
}

// ending is one way for a stream to have to end.
type ending struct {
	name string
	tell func(ctx context.Context, id domain.ID) error
	code protocol.CloseCode
}

func (n *node) everyEnding() []ending {
	revocations := n.revocations()
	return []ending{{"session", revocations.RevokeSession, protocol.CloseLoggedOut}, {"user", revocations.RevokeUser, protocol.CloseErased}}
}

// ticketed dials with a ticket instead of a token.
func (n *node) ticketed(claims auth.Claims) (*websocket.Conn, *http.Response, error) {
	n.t.Helper()
	ticket, err := n.tickets.Issue(n.t.Context(), claims)
	require.NoError(n.t, err)
	return websocket.Dial(waitAtMost(n.t), n.url+"?resume=0&ticket="+ticket, &websocket.DialOptions{Subprotocols: []string{protocol.Subprotocol}})
}

// TestRevocations: the tests' sessions have the id of their user.
func TestRevocations(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{})
	for _, ends := range n.everyEnding() {
		t.Run("closes_the_streams_of_a_"+ends.name, func(t *testing.T) {
			user := newID()
			mine, also, others := n.open(user), n.open(user), n.open(newID())
			require.NoError(t, ends.tell(t.Context(), user))
			require.Equal(t, ends.code, mine.closed())
			require.Equal(t, ends.code, also.closed())
			require.False(t, ends.code.Reconnect())
			others.write(map[string]any{"type": "ping"})
			require.Equal(t, "pong", others.next().Type)
		})
		t.Run("refuses_tokens_and_tickets_of_a_"+ends.name, func(t *testing.T) {
			user := newID()
			token, claims := n.token(user), auth.Claims{UserID: user, SessionID: user, ExpiresAt: time.Now().Add(time.Minute)}
			require.NoError(t, ends.tell(t.Context(), user))
			_, ofToken, err := websocket.Dial(waitAtMost(t), n.url, &websocket.DialOptions{
				HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}, Subprotocols: []string{protocol.Subprotocol}})
			require.Error(t, err)
			_, ofTicket, err := n.ticketed(claims)
			require.Error(t, err)
			for _, response := range []*http.Response{ofToken, ofTicket} {
				require.Equal(t, http.StatusUnauthorized, response.StatusCode)
				var problem struct{ Code string }
				require.NoError(t, json.NewDecoder(response.Body).Decode(&problem))
				require.Equal(t, "unauthenticated", problem.Code)
			}
		})
		t.Run("closes_a_stream_that_opens_as_it_ends_of_a_"+ends.name, func(t *testing.T) {
			user := newID()
			n.onceVerified(func() { require.NoError(t, ends.tell(t.Context(), user)) })
			c := newClient(t, user)
			c.connect(n, "?resume=0")
			require.Equal(t, ends.code, c.closed())

			user = newID()
			n.onceVerified(func() { require.NoError(t, ends.tell(t.Context(), user)) })
			conn, _, err := n.ticketed(auth.Claims{UserID: user, SessionID: user, ExpiresAt: time.Now().Add(time.Minute)})
			require.NoError(t, err)
			ticketed := newClient(t, user)
			ticketed.conn = conn
			require.Equal(t, ends.code, ticketed.closed())
		})
	}

	ends := n.everyEnding()[0]
	t.Run("refuses_to_refresh_by_a_session_that_has_ended", func(t *testing.T) {
		user, session := newID(), newID()
		c := n.open(user)
		token, _ := n.tokens.Issue(user, session)
		require.NoError(t, ends.tell(t.Context(), session))
		c.write(map[string]any{"type": "refresh", "id": "1", "access_token": token})
		refused := c.next()
		require.Equal(t, "token_invalid", refused.Code)
		require.Equal(t, "1", refused.Re)
		c.write(map[string]any{"type": "ping"})
		require.Equal(t, "pong", c.next().Type, "its own session goes on")
	})
	t.Run("closes_a_stream_whose_new_session_ends_as_it_is_refreshed", func(t *testing.T) {
		user, session := newID(), newID()
		c := n.open(user)
		token, _ := n.tokens.Issue(user, session)
		n.onceVerified(func() { require.NoError(t, ends.tell(t.Context(), session)) })
		c.write(map[string]any{"type": "refresh", "access_token": token})
		require.Equal(t, ends.code, c.closed())
	})
}

// onceVerified acts after a credential was found good, and before the stream is
// of it.
func (n *node) onceVerified(do func()) {
	act := func(reached step) {
		if reached == stepVerified {
			n.hub.reached.Store(nil)
			do()
		}
	}
	n.hub.reached.Store(&act)
}
