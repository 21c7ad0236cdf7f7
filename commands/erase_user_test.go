package commands_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/internal/web"
)

func eraseRequest(by person, password string) request {
	return request{method: "DELETE", path: "/v1/users/me", token: by.Token, body: map[string]any{"password": password}}
}

func TestEraseUser(t *testing.T) {
	s := newSystem(t)
	n := s.start()
	ann, bob := n.person(t, "ann"), n.person(t, "bob")
	crew := n.group(t, bob)

	t.Run("takes the password, not the token alone", func(t *testing.T) {
		n.do(t, eraseRequest(ann, "wrong password")).refused(401, "invalid_credentials")
		n.do(t, eraseRequest(ann, "")).refused(401, "invalid_credentials")
		n.do(t, request{method: "DELETE", path: "/v1/users/me", token: ann.Token, body: map[string]any{}}).refused(422, "validation")
		n.do(t, eraseRequest(person{}, password)).refused(401, "unauthenticated")
		n.do(t, loginRequest(ann.Email, password)).is(http.StatusOK)
	})
	t.Run("answers where it is in the log", func(t *testing.T) {
		a := n.do(t, eraseRequest(ann, password)).is(http.StatusAccepted)
		require.Equal(t, n.log.PartitionOf(ann.ID), a.position().Partition)
		require.Equal(t, []string{"user.registered", "user.erased"}, n.events(t, ann.ID))
		var finished, deleted bool
		require.NoError(t, s.pool.QueryRow(t.Context(), `
SELECT finished_at IS NOT NULL, NOT EXISTS (SELECT FROM identity.credentials c WHERE c.user_id = e.user_id)
  FROM identity.erasures e WHERE user_id = $1`, [16]byte(ann.ID)).Scan(&finished, &deleted))
		require.True(t, deleted)
		require.False(t, finished, "nobody works on it here")
	})
	t.Run("is there once", func(t *testing.T) {
		n.do(t, eraseRequest(ann, password)).refused(401, "unauthenticated")
	})
	t.Run("lets nobody in any more", func(t *testing.T) {
		n.do(t, loginRequest(ann.Email, password)).refused(401, "invalid_credentials")
		n.do(t, request{method: "POST", path: "/v1/auth/refresh", body: map[string]any{"refresh_token": ann.Refresh}}).refused(401, "refresh_token_invalid")
	})
	t.Run("lets nothing begin with a token that is still good, nor with the person", func(t *testing.T) {
		n.do(t, createRequest(ann, "group", "mine", bob.ID)).refused(401, "unauthenticated")
		n.do(t, createRequest(ann, "direct", "", bob.ID)).refused(401, "unauthenticated")
		n.do(t, createRequest(bob, "direct", "", ann.ID)).refused(404, "user_not_found")
		n.do(t, addRequest(bob, crew, ann.ID, "")).refused(404, "user_not_found")
	})
	t.Run("frees the address for another", func(t *testing.T) {
		again := into[web.Session](n.do(t, registration(ann.Email, "Ann")).is(http.StatusCreated))
		require.NotEqual(t, ann.ID, again.User.ID)
	})
	t.Run("several at once are one", func(t *testing.T) {
		cat := n.person(t, "cat")
		accepted := 0
		for _, a := range atOnce(4, func(int) answer { return n.do(t, eraseRequest(cat, password)) }) {
			if a.status == http.StatusAccepted {
				accepted++
			} else {
				a.is(http.StatusUnauthorized) // refused by the token or the password, whichever was deleted first
			}
		}
		require.Equal(t, 1, accepted)
		require.Equal(t, []string{"user.registered", "user.erased"}, n.events(t, cat.ID))
	})
	t.Run("is accepted when the log is not there", func(t *testing.T) {
		n.stopLog()
		a := n.do(t, eraseRequest(bob, password)).is(http.StatusAccepted)
		require.Empty(t, a.header.Get("Ping-Position"))
		n.do(t, eraseRequest(bob, password)).refused(401, "unauthenticated")
	})
}
