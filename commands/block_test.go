package commands_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

func blockRequest(by person, method string, user domain.ID) request {
	return request{method: method, path: "/v1/users/me/blocks/" + user.String(), token: by.Token}
}

func TestBlockUser(t *testing.T) {
	s := newSystem(t)
	n, other := s.start(), s.start()
	ann, bob, cat := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "cat")
	crew := n.group(t, ann, bob)
	direct := into[web.Conversation](n.do(t, createRequest(ann, "direct", "", bob.ID)).is(http.StatusCreated)).ID
	said := n.send(t, bob, direct, "hello")
	other.send(t, bob, direct, "the other node knows the two as well")

	require.Empty(t, n.once(t, ann.ID, blockRequest(ann, "PUT", bob.ID), blockRequest(ann, "PUT", cat.ID)).is(http.StatusNoContent).body)
	n.do(t, blockRequest(ann, "PUT", bob.ID)).is(http.StatusNoContent)
	n.do(t, blockRequest(ann, "PUT", cat.ID)).is(http.StatusNoContent)
	require.Equal(t, []string{"user.registered", "user.blocked", "user.blocked"}, n.events(t, ann.ID))

	t.Run("ends what is sent directly, both ways and at once everywhere", func(t *testing.T) {
		mine := said
		for _, node := range []*node{n, other} {
			for _, by := range []person{ann, bob} {
				node.do(t, sendRequest(by, direct, "", "hello")).refused(403, "blocked")
				node.do(t, reactRequest(by, "PUT", mine, "👍")).refused(403, "blocked")
				node.do(t, pinRequest(by, "PUT", mine)).refused(403, "blocked")
			}
			node.do(t, editRequest(bob, mine, "again")).refused(403, "blocked")
		}
	})
	t.Run("leaves reading, marking and taking back", func(t *testing.T) {
		n.do(t, readRequest(ann, direct, said.Seq)).is(http.StatusOK)
		n.do(t, deleteRequest(bob, said)).is(http.StatusNoContent)
	})
	t.Run("lets no direct conversation begin, but finds the one there is", func(t *testing.T) {
		n.do(t, createRequest(cat, "direct", "", ann.ID)).refused(403, "blocked")
		n.do(t, createRequest(ann, "direct", "", cat.ID)).refused(403, "blocked")
		for _, r := range []request{createRequest(ann, "direct", "", bob.ID), createRequest(bob, "direct", "", ann.ID)} {
			require.Equal(t, direct, into[web.Conversation](other.do(t, r).is(http.StatusOK)).ID)
		}
	})
	t.Run("leaves groups as they are", func(t *testing.T) {
		m := n.send(t, bob, crew, "hello, all")
		n.do(t, reactRequest(ann, "PUT", m, "👍")).is(http.StatusOK)
		n.group(t, cat, ann, bob)
	})
	t.Run("refuses", func(t *testing.T) {
		before := n.events(t, ann.ID)
		n.do(t, blockRequest(ann, "PUT", ann.ID)).refused(422, "block_self")
		n.do(t, blockRequest(ann, "DELETE", ann.ID)).refused(422, "block_self")
		n.do(t, blockRequest(ann, "PUT", domain.ID(uuid.New()))).refused(404, "user_not_found")
		n.do(t, blockRequest(ann, "PUT", crew)).refused(404, "user_not_found")
		n.do(t, blockRequest(person{}, "PUT", bob.ID)).refused(401, "unauthenticated")
		require.Equal(t, before, n.events(t, ann.ID))
	})
	t.Run("can be taken back", func(t *testing.T) {
		n.once(t, ann.ID, blockRequest(ann, "DELETE", bob.ID), blockRequest(ann, "DELETE", cat.ID))
		n.do(t, blockRequest(ann, "DELETE", bob.ID)).is(http.StatusNoContent)
		n.do(t, blockRequest(ann, "DELETE", domain.ID(uuid.New()))).is(http.StatusNoContent)
		require.Equal(t, "user.unblocked", lastOf(n.events(t, ann.ID)))
		require.Len(t, n.events(t, ann.ID), 4)
		other.send(t, ann, direct, "hello")
		other.send(t, bob, direct, "hello")
		n.do(t, createRequest(cat, "direct", "", ann.ID)).refused(403, "blocked")
		n.do(t, blockRequest(ann, "DELETE", cat.ID)).is(http.StatusNoContent)
		n.do(t, createRequest(cat, "direct", "", ann.ID)).is(http.StatusCreated)
	})
	t.Run("counts also when it is mutual and one takes it back", func(t *testing.T) {
		n.do(t, blockRequest(ann, "PUT", bob.ID)).is(http.StatusNoContent)
		n.do(t, blockRequest(bob, "PUT", ann.ID)).is(http.StatusNoContent)
		n.do(t, blockRequest(ann, "DELETE", bob.ID)).is(http.StatusNoContent)
		n.do(t, sendRequest(ann, direct, "", "hello")).refused(403, "blocked")
		n.do(t, sendRequest(bob, direct, "", "hello")).refused(403, "blocked")
	})
}

func TestTooManyBlocked(t *testing.T) {
	n := newSystem(t).start()
	ann := n.person(t, "ann")
	var blocked []domain.Event
	for range 1000 {
		blocked = append(blocked, domain.UserBlocked{UserID: domain.ID(uuid.New())})
	}
	_, err := eventlog.Execute(t.Context(), n.log, eventlog.Users, eventlog.Command{Stream: ann.ID, Actor: ann.ID},
		func(*domain.User, int64) ([]domain.Event, error) { return blocked, nil })
	require.NoError(t, err)
	bob, first := n.person(t, "bob").ID, blocked[0].(domain.UserBlocked).UserID
	n.do(t, blockRequest(ann, "PUT", bob)).refused(422, "too_many_blocked")
	n.do(t, blockRequest(ann, "DELETE", first)).is(http.StatusNoContent)
	n.do(t, blockRequest(ann, "PUT", bob)).is(http.StatusNoContent)
	n.do(t, blockRequest(ann, "PUT", bob)).is(http.StatusNoContent)
}
