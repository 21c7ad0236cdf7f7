package commands_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/web"
)

// about is a request about a message.
func about(by person, method string, m web.Message, below string, body any) request {
	return request{method: method, token: by.Token, body: body,
		path: "/v1/conversations/" + m.ConversationID.String() + "/messages/" + m.ID.String() + below}
}

func editRequest(by person, m web.Message, body string) request {
	return about(by, "PATCH", m, "", map[string]any{"body": body})
}

func deleteRequest(by person, m web.Message) request { return about(by, "DELETE", m, "", nil) }

func reactRequest(by person, method string, m web.Message, emoji string) request {
	return about(by, method, m, "/reactions/"+url.PathEscape(emoji), nil)
}

func pinRequest(by person, method string, m web.Message) request {
	return about(by, method, m, "/pin", nil)
}

func (n *node) send(t testing.TB, by person, conversation domain.ID, body string) web.Message {
	t.Helper()
	return into[web.Message](n.do(t, sendRequest(by, conversation, "", body)).is(http.StatusCreated))
}

// once does a request under a key, and checks that a retry answers the same
// without doing it again, and that another request with the key is refused.
func (n *node) once(t testing.TB, stream domain.ID, r, other request) answer {
	t.Helper()
	r.key = uuid.NewString()
	other.key = r.key
	first := n.do(t, r)
	require.Less(t, first.status, 300, "%s", first.body)
	require.False(t, first.replayed())
	events := len(n.events(t, stream))
	again := n.do(t, r).is(first.status)
	require.True(t, again.replayed())
	require.Equal(t, string(first.body), string(again.body))
	require.Equal(t, first.position(), again.position())
	n.do(t, other).refused(409, "idempotency_key_reused")
	require.Len(t, n.events(t, stream), events)
	return first
}

// outsiders checks that a request about a message is refused for who is not
// inside and for what is not there.
func (n *node) outsiders(t *testing.T, by, outside person, m web.Message, make func(person, web.Message) request) {
	t.Helper()
	n.do(t, make(outside, m)).refused(404, "conversation_not_found")
	n.do(t, make(person{}, m)).refused(401, "unauthenticated")
	nowhere := m
	nowhere.ID = domain.ID(uuid.New())
	n.do(t, make(by, nowhere)).refused(404, "message_not_found")
	n.do(t, make(outside, nowhere)).refused(404, "conversation_not_found")
	elsewhere := n.send(t, by, n.group(t, by), "elsewhere")
	elsewhere.ConversationID = m.ConversationID
	n.do(t, make(by, elsewhere)).refused(404, "message_not_found")
}

func TestEditMessage(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "eve")
	crew := n.group(t, ann, bob)
	m := n.send(t, bob, crew, "hello")

	edited := into[web.Message](n.once(t, crew, editRequest(bob, m, " hé\n "), editRequest(bob, m, "other")).is(http.StatusOK))
	require.Equal(t, m.ID, edited.ID)
	require.Equal(t, m.Seq, edited.Seq)
	require.Equal(t, " hé\n ", edited.Body, "byte for byte")

	t.Run("to what it is changes nothing", func(t *testing.T) {
		before := n.events(t, crew)
		n.once(t, crew, editRequest(bob, m, " hé\n "), editRequest(bob, m, "other"))
		require.Equal(t, before, n.events(t, crew))
	})
	t.Run("refuses", func(t *testing.T) {
		before := n.events(t, crew)
		n.outsiders(t, ann, eve, m, func(by person, m web.Message) request { return editRequest(by, m, "x") })
		n.do(t, editRequest(ann, m, "x")).refused(403, "forbidden")
		n.do(t, editRequest(bob, m, " ")).refused(422, "body_empty")
		n.do(t, editRequest(bob, m, "a\x00")).refused(422, "body_invalid")
		require.Equal(t, before, n.events(t, crew))
	})
	t.Run("refuses a tombstone, but answers the retry of before", func(t *testing.T) {
		r := editRequest(bob, m, "before")
		r.key = "before"
		first := n.do(t, r).is(http.StatusOK)
		n.do(t, deleteRequest(bob, m)).is(http.StatusNoContent)
		n.do(t, editRequest(bob, m, "after")).refused(409, "message_deleted")
		again := n.do(t, r).is(http.StatusOK)
		require.True(t, again.replayed())
		require.Equal(t, first.position(), again.position())
	})
	t.Run("tells who was removed nothing, also in a retry", func(t *testing.T) {
		m := n.send(t, bob, crew, "mine")
		r := editRequest(bob, m, "mine still")
		r.key = "mine"
		n.do(t, r).is(http.StatusOK)
		n.do(t, removeRequest(ann, crew, bob.ID)).is(http.StatusNoContent)
		n.do(t, r).refused(404, "conversation_not_found")
		n.do(t, editRequest(bob, m, "again")).refused(404, "conversation_not_found")
	})
}

func TestDeleteMessage(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, cat, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "cat"), n.person(t, "eve")
	crew := n.group(t, ann, bob, cat)
	m, other := n.send(t, bob, crew, "hello"), n.send(t, bob, crew, "other")
	t.Run("refuses", func(t *testing.T) {
		before := n.events(t, crew)
		n.outsiders(t, ann, eve, m, deleteRequest)
		n.do(t, deleteRequest(cat, m)).refused(403, "forbidden")
		require.Equal(t, before, n.events(t, crew))
	})
	require.Empty(t, n.once(t, crew, deleteRequest(bob, m), deleteRequest(bob, other)).is(http.StatusNoContent).body)
	t.Run("is done once", func(t *testing.T) {
		before := n.events(t, crew)
		n.once(t, crew, deleteRequest(ann, m), deleteRequest(ann, other))
		require.Equal(t, before, n.events(t, crew))
	})
	t.Run("of another's by an admin", func(t *testing.T) {
		n.do(t, deleteRequest(ann, other)).is(http.StatusNoContent)
		require.Equal(t, "message.deleted", lastOf(n.events(t, crew)))
	})
}

func lastOf(types []string) string { return types[len(types)-1] }

func TestReact(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "eve")
	crew := n.group(t, ann, bob)
	m := n.send(t, bob, crew, "hello")
	for _, emoji := range []string{"👍", "👩‍👩‍👧", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "❤️"} {
		put, take := reactRequest(ann, "PUT", m, emoji), reactRequest(ann, "DELETE", m, emoji)
		a := n.once(t, crew, put, reactRequest(ann, "PUT", m, "👎")).is(http.StatusOK)
		require.JSONEq(t, `{"message_id":"`+m.ID.String()+`","emoji":"`+emoji+`","mine":true}`, string(a.body))
		require.Equal(t, "reaction.added", lastOf(n.events(t, crew)))
		before := n.events(t, crew)
		n.do(t, put).is(http.StatusOK)
		require.Equal(t, before, n.events(t, crew), "it is there already")

		a = n.once(t, crew, take, put).is(http.StatusOK)
		require.JSONEq(t, `{"message_id":"`+m.ID.String()+`","emoji":"`+emoji+`","mine":false}`, string(a.body))
		require.Equal(t, "reaction.removed", lastOf(n.events(t, crew)))
		before = n.events(t, crew)
		n.do(t, take).is(http.StatusOK)
		require.Equal(t, before, n.events(t, crew), "it is gone already")
		n.do(t, put).is(http.StatusOK)
		require.Len(t, n.events(t, crew), len(before)+1, "and may come back")
	}
	t.Run("refuses", func(t *testing.T) {
		before := n.events(t, crew)
		for _, method := range []string{"PUT", "DELETE"} {
			n.outsiders(t, ann, eve, m, func(by person, m web.Message) request { return reactRequest(by, method, m, "👍") })
			for _, emoji := range []string{"x", "1", "👍 ", "\x00", "hello👍", "👍\u202e"} {
				n.do(t, reactRequest(ann, method, m, emoji)).refused(422, "emoji_invalid")
			}
		}
		require.Equal(t, before, n.events(t, crew))
	})
	t.Run("refuses a tombstone, from which taking back changes nothing", func(t *testing.T) {
		n.do(t, deleteRequest(bob, m)).is(http.StatusNoContent)
		before := n.events(t, crew)
		n.do(t, reactRequest(ann, "PUT", m, "🎉")).refused(409, "message_deleted")
		n.do(t, reactRequest(ann, "DELETE", m, "👍")).is(http.StatusOK)
		require.Equal(t, before, n.events(t, crew))
	})
}

func TestPinMessage(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "eve")
	crew := n.group(t, ann, bob)
	m := n.send(t, bob, crew, "hello")
	put, take := pinRequest(ann, "PUT", m), pinRequest(ann, "DELETE", m)

	a := n.once(t, crew, put, take).is(http.StatusOK)
	require.JSONEq(t, `{"message_id":"`+m.ID.String()+`","pinned":true}`, string(a.body))
	require.Equal(t, "message.pinned", lastOf(n.events(t, crew)))
	before := n.events(t, crew)
	n.do(t, put).is(http.StatusOK)
	require.Equal(t, before, n.events(t, crew))

	a = n.once(t, crew, take, put).is(http.StatusOK)
	require.JSONEq(t, `{"message_id":"`+m.ID.String()+`","pinned":false}`, string(a.body))
	require.Equal(t, "message.unpinned", lastOf(n.events(t, crew)))
	before = n.events(t, crew)
	n.do(t, take).is(http.StatusOK)
	require.Equal(t, before, n.events(t, crew))

	for _, method := range []string{"PUT", "DELETE"} {
		n.outsiders(t, ann, eve, m, func(by person, m web.Message) request { return pinRequest(by, method, m) })
		n.do(t, pinRequest(bob, method, m)).refused(403, "forbidden")
	}
	direct := into[web.Conversation](n.do(t, createRequest(ann, "direct", "", bob.ID)).is(http.StatusCreated)).ID
	n.do(t, pinRequest(bob, "PUT", n.send(t, ann, direct, "hello"))).is(http.StatusOK)

	n.do(t, deleteRequest(bob, m)).is(http.StatusNoContent)
	n.do(t, put).refused(409, "message_deleted")
	n.do(t, take).is(http.StatusOK)
	require.Equal(t, "message.deleted", lastOf(n.events(t, crew)))
}

// TestAboutAMessageAtOnce: no read model runs here, and the node asked is not
// the one that took the message; what was accepted a moment ago counts.
func TestAboutAMessageAtOnce(t *testing.T) {
	s := newSystem(t)
	nodes := []*node{s.start(), s.start()}
	ann := nodes[0].person(t, "ann")
	crew := nodes[0].group(t, ann)
	for i := range 10 {
		here, there := nodes[i%2], nodes[(i+1)%2]
		m := here.send(t, ann, crew, "hello")
		reply := sendRequest(ann, crew, "", "")
		reply.body = map[string]any{"body": "yes", "reply_to": m.ID}
		there.do(t, reply).is(http.StatusCreated)
		require.Equal(t, "edited", into[web.Message](there.do(t, editRequest(ann, m, "edited")).is(http.StatusOK)).Body)
		here.do(t, editRequest(ann, m, "edited")).is(http.StatusOK)
		there.do(t, reactRequest(ann, "PUT", m, "👍")).is(http.StatusOK)
		here.do(t, reactRequest(ann, "DELETE", m, "👍")).is(http.StatusOK)
		there.do(t, pinRequest(ann, "PUT", m)).is(http.StatusOK)
		here.do(t, pinRequest(ann, "DELETE", m)).is(http.StatusOK)
		there.do(t, deleteRequest(ann, m)).is(http.StatusNoContent)
		here.do(t, editRequest(ann, m, "too late")).refused(409, "message_deleted")
		types := nodes[0].events(t, crew)
		require.Equal(t, []string{"message.sent", "message.sent", "message.edited", "reaction.added", "reaction.removed",
			"message.pinned", "message.unpinned", "message.deleted"}, types[len(types)-8:])
	}
}
