package commands_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/web"
)

func profileRequest(by person, body map[string]any) request {
	return request{method: "PATCH", path: "/v1/users/me", token: by.Token, body: body}
}

func handleRequest(by person, handle string) request {
	return profileRequest(by, map[string]any{"handle": handle})
}

// handles returns the handles of a user in identity.handles.
func (s *system) handles(user domain.ID) (handles []string) {
	s.t.Helper()
	require.NoError(s.t, s.pool.QueryRow(s.t.Context(), `
SELECT coalesce(array_agg(handle ORDER BY handle), '{}') FROM identity.handles WHERE user_id = $1`, [16]byte(user)).Scan(&handles))
	return handles
}

func TestChangeProfile(t *testing.T) {
	n := newSystem(t).start()
	ann := n.person(t, "ann")
	all := map[string]any{"display_name": " Ann B. ", "handle": "@Ann_1", "bio": " Counts.\nSails. ", "avatar_url": "https://example.org/ann.png"}
	a := n.once(t, ann.ID, profileRequest(ann, all), profileRequest(ann, map[string]any{"bio": "x"})).is(http.StatusOK)
	require.JSONEq(t, `{"id":"`+ann.ID.String()+`","display_name":"Ann B.","handle":"ann_1","bio":"Counts.\nSails.",
		"avatar_url":"https://example.org/ann.png","erased_at":null}`, string(a.body))
	require.Equal(t, n.log.PartitionOf(ann.ID), a.position().Partition)

	t.Run("leaves what is absent", func(t *testing.T) {
		u := into[web.User](n.do(t, profileRequest(ann, map[string]any{"bio": ""})).is(http.StatusOK))
		require.Nil(t, u.Bio)
		require.Equal(t, "Ann B.", u.DisplayName)
		require.Equal(t, "ann_1", *u.Handle)
	})
	t.Run("to what it is changes nothing", func(t *testing.T) {
		before := n.events(t, ann.ID)
		n.once(t, ann.ID, profileRequest(ann, map[string]any{"display_name": "Ann B.", "handle": "ANN_1", "bio": " "}), handleRequest(ann, "other"))
		n.do(t, profileRequest(ann, map[string]any{})).is(http.StatusOK)
		require.Equal(t, before, n.events(t, ann.ID))
	})
	t.Run("refuses", func(t *testing.T) {
		before := n.events(t, ann.ID)
		for code, values := range map[string]map[string][]string{
			"name_invalid":       {"display_name": {"", " ", "a\nb", strings.Repeat("ö", 101)}},
			"handle_invalid":     {"handle": {"a", "_ab", "a-b", "ann ", "äa", "@", strings.Repeat("a", 33)}},
			"bio_invalid":        {"bio": {"a\x00", strings.Repeat("ö", 501)}},
			"avatar_url_invalid": {"avatar_url": {"http://example.org/", "https://", "ann.png", "https://a:b@example.org/", "https://example.org/" + strings.Repeat("a", 2000)}},
		} {
			for field, bad := range values {
				for _, value := range bad {
					n.do(t, profileRequest(ann, map[string]any{"handle": "fine", field: value})).refused(422, code)
				}
			}
		}
		n.do(t, profileRequest(person{}, map[string]any{"bio": "x"})).refused(401, "unauthenticated")
		n.do(t, profileRequest(ann, map[string]any{"colour": "red"})).refused(422, "validation")
		require.Equal(t, before, n.events(t, ann.ID))
		require.Equal(t, []string{"ann_1"}, n.system.handles(ann.ID), "what was refused holds no handle")
	})
	t.Run("is over for who was erased", func(t *testing.T) {
		eve := n.person(t, "eve")
		n.do(t, eraseRequest(eve, password)).is(http.StatusAccepted)
		n.do(t, profileRequest(eve, map[string]any{"bio": "still here"})).refused(401, "unauthenticated")
		n.do(t, handleRequest(eve, "eve")).refused(401, "unauthenticated")
		require.Empty(t, n.system.handles(eve.ID))
	})
}

func TestHandles(t *testing.T) {
	s := newSystem(t)
	n, other := s.start(), s.start()
	ann, bob := n.person(t, "ann"), n.person(t, "bob")
	n.do(t, handleRequest(ann, "captain")).is(http.StatusOK)

	t.Run("belong to one", func(t *testing.T) {
		for _, handle := range []string{"captain", "CAPTAIN", "@Captain"} {
			other.do(t, handleRequest(bob, handle)).refused(409, "handle_taken")
		}
		require.Empty(t, s.handles(bob.ID))
		require.Equal(t, []string{"user.registered"}, n.events(t, bob.ID))
	})
	t.Run("are free when they were changed or given up", func(t *testing.T) {
		n.do(t, handleRequest(ann, "admiral")).is(http.StatusOK)
		require.Equal(t, []string{"admiral"}, s.handles(ann.ID))
		other.do(t, handleRequest(bob, "captain")).is(http.StatusOK)
		n.do(t, handleRequest(ann, "captain")).refused(409, "handle_taken")
		u := into[web.User](other.do(t, handleRequest(bob, "")).is(http.StatusOK))
		require.Nil(t, u.Handle)
		require.Empty(t, s.handles(bob.ID))
		n.do(t, handleRequest(ann, "captain")).is(http.StatusOK)
	})
	t.Run("stay whose they are when a change is tried again", func(t *testing.T) {
		first, then := handleRequest(ann, "first"), handleRequest(ann, "then")
		first.key = "first"
		a := n.do(t, first).is(http.StatusOK)
		n.do(t, then).is(http.StatusOK)
		again := n.do(t, first).is(http.StatusOK)
		require.True(t, again.replayed())
		require.Equal(t, a.position(), again.position())
		require.Equal(t, []string{"then"}, s.handles(ann.ID), "the retry holds nothing back")
		other.do(t, handleRequest(bob, "first")).is(http.StatusOK)
		require.True(t, n.do(t, first).is(http.StatusOK).replayed(), "also when it is another's by now")
		require.Equal(t, []string{"first"}, s.handles(bob.ID))
		require.Equal(t, []string{"then"}, s.handles(ann.ID))
	})
	t.Run("are not held by a request that was refused", func(t *testing.T) {
		used := profileRequest(ann, map[string]any{"bio": "Sails."})
		used.key = "used"
		n.do(t, used).is(http.StatusOK)
		for _, handle := range []string{"wanted", "first"} { // free, and another's
			wanted := handleRequest(ann, handle)
			wanted.key = "used"
			n.do(t, wanted).refused(409, "idempotency_key_reused")
		}
		require.Equal(t, []string{"then"}, s.handles(ann.ID))
		other.do(t, handleRequest(bob, "wanted")).is(http.StatusOK)
	})
	t.Run("claimed by many at the same moment go to one", func(t *testing.T) {
		people := []person{ann, bob, n.person(t, "cat"), n.person(t, "dan")}
		for _, handle := range []string{"prize_1", "prize_2", "prize_3"} {
			var winners []domain.ID
			answers := atOnce(8, func(i int) answer {
				return []*node{n, other}[i%2].do(t, handleRequest(people[i/2], handle))
			})
			for i, a := range answers {
				if a.status == http.StatusOK {
					winners = append(winners, people[i/2].ID)
				} else {
					a.refused(409, "handle_taken")
				}
			}
			require.Len(t, winners, 2, "both tries of one user")
			require.Equal(t, winners[0], winners[1])
			for _, p := range people {
				if p.ID == winners[0] {
					require.Equal(t, []string{handle}, s.handles(p.ID))
				} else {
					require.NotContains(t, s.handles(p.ID), handle)
				}
			}
		}
	})
}

// TestHandlesOfOneUser changes a user's handle several times at once. In the end the
// user has exactly the handle in their profile.
func TestHandlesOfOneUser(t *testing.T) {
	s := newSystem(t)
	n, other := s.start(), s.start()
	ann := n.person(t, "ann")
	for range 10 {
		atOnce(8, func(i int) answer {
			return []*node{n, other}[i%2].do(t, handleRequest(ann, []string{"red", "green", "blue", "red"}[i/2])).is(http.StatusOK)
		})
		u := into[web.User](n.do(t, profileRequest(ann, map[string]any{})).is(http.StatusOK))
		require.Contains(t, s.handles(ann.ID), *u.Handle)
		n.do(t, handleRequest(ann, "black")).is(http.StatusOK)
		require.Equal(t, []string{"black"}, s.handles(ann.ID))
	}
}

// TestHandleAfterACrash: the node went away between the claim and the event.
func TestHandleAfterACrash(t *testing.T) {
	s := newSystem(t)
	n := s.start()
	ann, bob := n.person(t, "ann"), n.person(t, "bob")
	n.do(t, handleRequest(ann, "old")).is(http.StatusOK)
	_, err := s.pool.Exec(t.Context(), `INSERT INTO identity.handles (handle, user_id) VALUES ('lost', $1)`, [16]byte(ann.ID))
	require.NoError(t, err)

	n.do(t, handleRequest(bob, "lost")).refused(409, "handle_taken")
	n.do(t, handleRequest(ann, "lost")).is(http.StatusOK)
	require.Equal(t, []string{"lost"}, s.handles(ann.ID), "a retry goes on, and lets the old one go")

	// It went away between the event and letting go.
	_, err = s.pool.Exec(t.Context(), `INSERT INTO identity.handles (handle, user_id) VALUES ('old', $1)`, [16]byte(ann.ID))
	require.NoError(t, err)
	n.do(t, handleRequest(ann, "lost")).is(http.StatusOK)
	require.Equal(t, []string{"lost"}, s.handles(ann.ID))
	n.do(t, handleRequest(bob, "old")).is(http.StatusOK)

	// A handle from a failed claim is released with the next change.
	_, err = s.pool.Exec(t.Context(), `INSERT INTO identity.handles (handle, user_id) VALUES ('vain', $1)`, [16]byte(ann.ID))
	require.NoError(t, err)
	n.do(t, handleRequest(ann, "other")).is(http.StatusOK)
	n.do(t, handleRequest(bob, "vain")).is(http.StatusOK)
	require.Equal(t, []string{"other"}, s.handles(ann.ID))
}
