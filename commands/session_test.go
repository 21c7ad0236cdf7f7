package commands_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/auth"
	"ping/internal/web"
)

func refreshRequest(token, key string) request {
	return request{method: "POST", path: "/v1/auth/refresh", key: key, body: map[string]any{"refresh_token": token}}
}

func TestRefresh(t *testing.T) {
	s := newSystem(t)
	n := s.start()
	refresh := func(t *testing.T, token, key string) answer { return n.do(t, refreshRequest(token, key)) }
	next := func(t *testing.T, token, key string) string {
		return into[web.Session](refresh(t, token, key).is(http.StatusOK)).RefreshToken
	}

	t.Run("exchanges a token for a new session answer", func(t *testing.T) {
		ada := n.person(t, "Ada")
		a := refresh(t, ada.Refresh, "").is(http.StatusOK)
		session := into[web.Session](a)
		require.Equal(t, web.User{ID: ada.ID, DisplayName: "Ada"}, session.User)
		require.NotEqual(t, ada.Refresh, session.RefreshToken)
		before, err := n.tokens.Verify(ada.Token)
		require.NoError(t, err)
		after, err := n.tokens.Verify(session.AccessToken)
		require.NoError(t, err)
		require.Equal(t, before.SessionID, after.SessionID, "the session goes on")
		refresh(t, session.RefreshToken, "").is(http.StatusOK)
	})
	t.Run("an old token used again ends the session", func(t *testing.T) {
		ada := n.person(t, "Ada")
		second := next(t, ada.Refresh, "")
		third := next(t, second, "")
		refresh(t, ada.Refresh, "").refused(401, "refresh_token_invalid")
		refresh(t, third, "").refused(401, "refresh_token_invalid")
		n.do(t, loginRequest(ada.Email, password)).is(http.StatusOK)
	})
	t.Run("ending one session leaves the others", func(t *testing.T) {
		ada := n.person(t, "Ada")
		other := into[web.Session](n.do(t, loginRequest(ada.Email, password)).is(http.StatusOK)).RefreshToken
		next(t, ada.Refresh, "")
		refresh(t, ada.Refresh, "").refused(401, "refresh_token_invalid")
		refresh(t, other, "").is(http.StatusOK)
	})
	t.Run("of many at once exactly one wins", func(t *testing.T) {
		ada := n.person(t, "Ada")
		other := s.start()
		won := 0
		for _, a := range atOnce(16, func(i int) answer { return []*node{n, other}[i%2].do(t, refreshRequest(ada.Refresh, "")) }) {
			if a.status == http.StatusOK {
				won++
			} else {
				a.refused(401, "refresh_token_invalid")
			}
		}
		require.Equal(t, 1, won)
	})
	t.Run("a retry under its key gets the same token", func(t *testing.T) {
		ada := n.person(t, "Ada")
		tokens := map[string]bool{}
		fresh := 0
		for _, a := range atOnce(8, func(int) answer { return refresh(t, ada.Refresh, "k") }) {
			tokens[into[web.Session](a.is(http.StatusOK)).RefreshToken] = true
			if !a.replayed() {
				fresh++
			}
		}
		require.Len(t, tokens, 1)
		require.Equal(t, 1, fresh)
		for token := range tokens {
			next(t, token, "")
			refresh(t, ada.Refresh, "k").refused(401, "refresh_token_invalid")
			refresh(t, token, "").refused(401, "refresh_token_invalid")
		}
	})
	t.Run("another key is no retry", func(t *testing.T) {
		ada := n.person(t, "Ada")
		next(t, ada.Refresh, "k")
		refresh(t, ada.Refresh, "l").refused(401, "refresh_token_invalid")
	})
	t.Run("refuses a token that never was", func(t *testing.T) {
		refresh(t, "x", "").refused(401, "refresh_token_invalid")
		refresh(t, "a\u0000b", "").refused(401, "refresh_token_invalid")
	})
	t.Run("refuses a session that was left alone", func(t *testing.T) {
		ada := n.person(t, "Ada")
		_, err := s.pool.Exec(context.Background(), `UPDATE identity.sessions SET expires_at = now() WHERE user_id = $1`, [16]byte(ada.ID))
		require.NoError(t, err)
		refresh(t, ada.Refresh, "").refused(401, "refresh_token_invalid")
	})
	t.Run("stores no token", func(t *testing.T) {
		ada := n.person(t, "Ada")
		var found int
		require.NoError(t, s.pool.QueryRow(context.Background(),
			`SELECT count(*) FROM identity.refresh_tokens WHERE encode(token_hash, 'escape') LIKE '%' || $1 || '%'`, ada.Refresh).Scan(&found))
		require.Zero(t, found)
	})
}

// refusesToken tells whether a node refuses an access token.
func (n *node) refusesToken(t *testing.T, token string) bool {
	a := n.do(t, request{method: "POST", path: "/v1/auth/ticket", token: token})
	if a.status != http.StatusCreated {
		a.refused(401, "unauthenticated")
	}
	return a.status != http.StatusCreated
}

// TestEndedSession: however a session ends, its access token is refused from
// then on by the node that ended it, soon by the others, and by those to come.
func TestEndedSession(t *testing.T) {
	s := newSystem(t)
	n, other := s.start(), s.start()
	for name, end := range map[string]func(t *testing.T, p person){
		"by a logout": func(t *testing.T, p person) {
			n.do(t, request{method: "POST", path: "/v1/auth/logout", token: p.Token}).is(http.StatusNoContent)
		},
		"by a refresh token used twice": func(t *testing.T, p person) {
			n.do(t, refreshRequest(p.Refresh, "")).is(http.StatusOK)
			n.do(t, refreshRequest(p.Refresh, "")).refused(401, "refresh_token_invalid")
		},
	} {
		t.Run(name, func(t *testing.T) {
			ada := n.person(t, "Ada")
			elsewhere := into[web.Session](n.do(t, loginRequest(ada.Email, password)).is(http.StatusOK))
			for _, node := range []*node{n, other} {
				require.False(t, node.refusesToken(t, ada.Token))
			}
			end(t, ada)
			require.True(t, n.refusesToken(t, ada.Token))
			n.do(t, refreshRequest(ada.Refresh, "")).refused(401, "refresh_token_invalid")
			require.Eventually(t, func() bool {
				_, err := other.tokens.Verify(ada.Token)
				return err != nil
			}, 10*time.Second, time.Millisecond)
			require.True(t, other.refusesToken(t, ada.Token))
			later := s.start()
			require.True(t, later.refusesToken(t, ada.Token))
			for _, node := range []*node{n, other, later} {
				require.False(t, node.refusesToken(t, elsewhere.AccessToken), "the user's other session goes on")
			}
		})
	}
}

func TestTicket(t *testing.T) {
	s := newSystem(t)
	n := s.start()
	ada := n.person(t, "Ada")
	a := n.do(t, request{method: "POST", path: "/v1/auth/ticket", token: ada.Token}).is(http.StatusCreated)
	got := into[struct {
		Ticket    string `json:"ticket"`
		ExpiresIn int    `json:"expires_in"`
	}](a)
	require.Equal(t, 30, got.ExpiresIn)
	claims, err := auth.NewTickets(s.redis).Redeem(context.Background(), got.Ticket)
	require.NoError(t, err)
	require.Equal(t, ada.ID, claims.UserID)
	n.do(t, request{method: "POST", path: "/v1/auth/ticket"}).refused(401, "unauthenticated")
}
