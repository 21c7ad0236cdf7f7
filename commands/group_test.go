package commands_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/web"
)

func renameRequest(by person, conversation domain.ID, body map[string]any) request {
	return request{method: "PATCH", path: "/v1/conversations/" + conversation.String(), token: by.Token, body: body}
}

func roleRequest(by person, conversation, user domain.ID, role string) request {
	return request{method: "PATCH", path: membersPath(conversation) + "/" + user.String(), token: by.Token, body: map[string]any{"role": role}}
}

func TestRenameConversation(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "eve")
	crew := n.group(t, ann, bob)
	// renamed are the payloads of what was recorded.
	renamed := func() (payloads []string) {
		events, err := n.log.ReadStream(t.Context(), crew, 0, 100)
		require.NoError(t, err)
		for _, e := range events {
			if e.Type == "conversation.renamed" {
				payloads = append(payloads, string(e.Payload))
			}
		}
		return payloads
	}
	a := n.once(t, crew, renameRequest(ann, crew, map[string]any{"name": " Sailors ", "topic": " ropes "}),
		renameRequest(ann, crew, map[string]any{"name": "Others"})).is(http.StatusOK)
	require.Equal(t, crew, into[web.Conversation](a).ID)
	n.do(t, renameRequest(ann, crew, map[string]any{"name": "Sailors"})).is(http.StatusOK)
	n.do(t, renameRequest(ann, crew, map[string]any{})).is(http.StatusOK)
	n.do(t, renameRequest(ann, crew, map[string]any{"name": "Sailors", "topic": ""})).is(http.StatusOK)
	n.do(t, renameRequest(ann, crew, map[string]any{"topic": ""})).is(http.StatusOK)
	require.Equal(t, []string{`{"name":"Sailors","topic":"ropes"}`, `{"topic":""}`}, renamed(), "only what is new")

	n.do(t, renameRequest(bob, crew, map[string]any{"name": "x"})).refused(403, "forbidden")
	n.do(t, renameRequest(eve, crew, map[string]any{"name": "x"})).refused(404, "conversation_not_found")
	n.do(t, renameRequest(person{}, crew, map[string]any{"name": "x"})).refused(401, "unauthenticated")
	for _, name := range []string{"", " ", "a\nb", "a\x00", strings.Repeat("ö", 101)} {
		n.do(t, renameRequest(ann, crew, map[string]any{"name": name})).refused(422, "name_invalid")
	}
	for _, topic := range []string{"a\x00", strings.Repeat("ö", 501)} {
		n.do(t, renameRequest(ann, crew, map[string]any{"name": "x", "topic": topic})).refused(422, "topic_invalid")
	}
	direct := into[web.Conversation](n.do(t, createRequest(ann, "direct", "", bob.ID)).is(http.StatusCreated)).ID
	n.do(t, renameRequest(ann, direct, map[string]any{"name": "us"})).refused(422, "direct_is_fixed")
	require.Len(t, renamed(), 2)
}

func TestChangeRole(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, cat, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "cat"), n.person(t, "eve")
	crew := n.group(t, ann, bob, cat)

	a := n.once(t, crew, roleRequest(ann, crew, bob.ID, "admin"), roleRequest(ann, crew, bob.ID, "reader")).is(http.StatusOK)
	require.Equal(t, web.Member{UserID: bob.ID, Role: domain.RoleAdmin}, into[web.Member](a))
	before := n.events(t, crew)
	n.do(t, roleRequest(ann, crew, bob.ID, "admin")).is(http.StatusOK)
	require.Equal(t, before, n.events(t, crew), "he is that already")

	t.Run("counts at once", func(t *testing.T) {
		n.do(t, roleRequest(bob, crew, cat.ID, "reader")).is(http.StatusOK)
		n.do(t, sendRequest(cat, crew, "", "hello")).refused(403, "forbidden")
		n.do(t, roleRequest(bob, crew, cat.ID, "member")).is(http.StatusOK)
		n.do(t, sendRequest(cat, crew, "", "hello")).is(http.StatusCreated)
	})
	t.Run("refuses", func(t *testing.T) {
		before := n.events(t, crew)
		n.do(t, roleRequest(bob, crew, ann.ID, "member")).refused(403, "forbidden")
		n.do(t, roleRequest(bob, crew, cat.ID, "admin")).refused(403, "forbidden")
		n.do(t, roleRequest(bob, crew, bob.ID, "owner")).refused(403, "forbidden")
		n.do(t, roleRequest(cat, crew, cat.ID, "admin")).refused(403, "forbidden")
		n.do(t, roleRequest(ann, crew, eve.ID, "admin")).refused(404, "member_not_found")
		n.do(t, roleRequest(eve, crew, bob.ID, "member")).refused(404, "conversation_not_found")
		n.do(t, roleRequest(ann, crew, ann.ID, "admin")).refused(409, "last_owner")
		n.do(t, roleRequest(ann, crew, bob.ID, "king")).refused(422, "validation")
		direct := into[web.Conversation](n.do(t, createRequest(ann, "direct", "", bob.ID)).is(http.StatusCreated)).ID
		n.do(t, roleRequest(ann, direct, bob.ID, "reader")).refused(422, "direct_is_fixed")
		require.Equal(t, before, n.events(t, crew))
	})
	t.Run("lowers their own role", func(t *testing.T) {
		n.do(t, roleRequest(cat, crew, cat.ID, "reader")).is(http.StatusOK)
		n.do(t, sendRequest(cat, crew, "", "hello")).refused(403, "forbidden")
	})
	t.Run("transfers the ownership, once", func(t *testing.T) {
		a := n.once(t, crew, roleRequest(ann, crew, bob.ID, "owner"), roleRequest(ann, crew, cat.ID, "owner")).is(http.StatusOK)
		require.Equal(t, web.Member{UserID: bob.ID, Role: domain.RoleOwner}, into[web.Member](a))
		types := n.events(t, crew)
		require.Equal(t, []string{"member.role_changed", "member.role_changed"}, types[len(types)-2:])
		n.do(t, roleRequest(ann, crew, cat.ID, "admin")).refused(403, "forbidden")
		n.do(t, roleRequest(ann, crew, cat.ID, "member")).is(http.StatusOK)
		n.do(t, roleRequest(bob, crew, ann.ID, "member")).is(http.StatusOK)
	})
	t.Run("to two at once hands it to one of them", func(t *testing.T) {
		other := n.system.start()
		done := 0
		for _, a := range atOnce(2, func(i int) answer {
			return []*node{n, other}[i].do(t, roleRequest(bob, crew, []domain.ID{ann.ID, cat.ID}[i], "owner"))
		}) {
			if a.status == http.StatusOK {
				done++
			} else {
				a.refused(403, "forbidden")
			}
		}
		require.Equal(t, 1, done)
	})
}

// TestCreationKey: a key is good for one creation, whatever it creates.
func TestCreationKey(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, cat := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "cat")
	keyed := func(r request) request {
		r.key = "once"
		return r
	}
	first := n.do(t, keyed(createRequest(ann, "direct", "", bob.ID))).is(http.StatusCreated)
	again := n.do(t, keyed(createRequest(ann, "direct", "", bob.ID))).is(http.StatusCreated)
	require.True(t, again.replayed())
	require.JSONEq(t, string(first.body), string(again.body))
	n.do(t, keyed(createRequest(ann, "direct", "", cat.ID))).refused(409, "idempotency_key_reused")
	n.do(t, keyed(createRequest(ann, "group", "crew", bob.ID))).refused(409, "idempotency_key_reused")
	n.do(t, keyed(createRequest(bob, "direct", "", cat.ID))).is(http.StatusCreated) // keys belong to a user
}

// TestManyReactions: a member has a limited number of reactions on a message.
func TestManyReactions(t *testing.T) {
	n := newSystem(t).start()
	ann, bob := n.person(t, "ann"), n.person(t, "bob")
	crew := n.group(t, ann, bob)
	sent := into[web.Message](n.do(t, sendRequest(ann, crew, "", "hello")).is(http.StatusCreated))
	react := func(method string, by person, emoji rune) answer {
		return n.do(t, request{method: method, token: by.Token,
			path: "/v1/conversations/" + crew.String() + "/messages/" + sent.ID.String() + "/reactions/" + url.PathEscape(string(emoji))})
	}
	for i := range domain.MaxReactions {
		react("PUT", ann, rune(0x1F600+i)).is(http.StatusOK)
	}
	react("PUT", ann, 0x1F680).refused(422, "too_many_reactions")
	react("PUT", ann, 0x1F600).is(http.StatusOK) // that one is there
	react("PUT", bob, 0x1F680).is(http.StatusOK)
	react("DELETE", ann, 0x1F600).is(http.StatusOK)
	react("PUT", ann, 0x1F680).is(http.StatusOK)
}
