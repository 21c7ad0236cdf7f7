package commands_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/web"
)

func membersPath(conversation domain.ID) string {
	return "/v1/conversations/" + conversation.String() + "/members"
}

func addRequest(by person, conversation, user domain.ID, role string) request {
	body := map[string]any{"user_id": user}
	if role != "" {
		body["role"] = role
	}
	return request{method: "POST", path: membersPath(conversation), token: by.Token, body: body}
}

func removeRequest(by person, conversation, user domain.ID) request {
	return request{method: "DELETE", path: membersPath(conversation) + "/" + user.String(), token: by.Token}
}

func TestCreateDirect(t *testing.T) {
	s := newSystem(t)
	n := s.start()
	ann, bob := n.person(t, "ann"), n.person(t, "bob")

	t.Run("both users get the same conversation", func(t *testing.T) {
		r := createRequest(ann, "direct", "", bob.ID)
		r.key = "k"
		first := n.do(t, r).is(http.StatusCreated)
		c := into[web.Conversation](first)
		require.Equal(t, domain.DirectID(ann.ID, bob.ID), c.ID)
		require.Equal(t, domain.Direct, c.Kind)
		require.Equal(t, domain.RoleMember, c.Role)
		require.Equal(t, 2, c.MemberCount)
		require.Equal(t, int64(3), c.LastSeq)
		require.Nil(t, c.Name)

		second := createRequest(bob, "direct", "", ann.ID)
		second.key = "k"
		require.Equal(t, c.ID, into[web.Conversation](n.do(t, second).is(http.StatusOK)).ID)

		again := n.do(t, r).is(http.StatusCreated)
		require.True(t, again.replayed())
		require.JSONEq(t, string(first.body), string(again.body))
		found := n.do(t, second).is(http.StatusOK)
		require.True(t, found.replayed())
		require.Len(t, n.events(t, c.ID), 3)
	})
	t.Run("also when both create it at once on two nodes", func(t *testing.T) {
		other := s.start()
		for range 5 {
			cat, dan := n.person(t, "cat"), n.person(t, "dan")
			made := 0
			for _, a := range atOnce(16, func(i int) answer {
				if i%2 == 0 {
					return n.do(t, createRequest(cat, "direct", "", dan.ID))
				}
				return other.do(t, createRequest(dan, "direct", "", cat.ID))
			}) {
				require.Contains(t, []int{http.StatusOK, http.StatusCreated}, a.status, "%s", a.body)
				require.Equal(t, domain.DirectID(cat.ID, dan.ID), into[web.Conversation](a).ID)
				if a.status == http.StatusCreated {
					made++
				}
			}
			require.Equal(t, 1, made)
			require.Equal(t, []string{"conversation.created", "member.added", "member.added"}, n.events(t, domain.DirectID(cat.ID, dan.ID)))
		}
	})
	t.Run("refuses", func(t *testing.T) {
		crew := n.group(t, ann)
		n.do(t, createRequest(ann, "direct", "", domain.ID(uuid.New()))).refused(404, "user_not_found")
		n.do(t, createRequest(ann, "direct", "", crew)).refused(404, "user_not_found")
		n.do(t, createRequest(ann, "direct", "", ann.ID)).refused(422, "direct_with_self")
		n.do(t, createRequest(ann, "direct", "")).refused(422, "direct_with_self")
		n.do(t, createRequest(ann, "direct", "", bob.ID, n.person(t, "cat").ID)).refused(422, "direct_needs_one")
		n.do(t, createRequest(ann, "direct", "us", bob.ID)).refused(422, "name_on_direct")
		n.do(t, createRequest(ann, "channel", "x")).refused(422, "validation")
		n.do(t, createRequest(person{}, "direct", "", bob.ID)).refused(401, "unauthenticated")
		bad := createRequest(ann, "direct", "")
		bad.body = `{"kind":"direct","members":["` + bob.ID.String() + `","bob"]}`
		require.Equal(t, "body.members[1]", into[web.Error](n.do(t, bad).refused(422, "validation")).Errors[0].Location)
	})
}

func TestCreateGroup(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, cat := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "cat")

	t.Run("answers it as its owner sees it", func(t *testing.T) {
		c := into[web.Conversation](n.do(t, createRequest(ann, "group", " The crew ", bob.ID, cat.ID)).is(http.StatusCreated))
		require.Equal(t, domain.Group, c.Kind)
		require.Equal(t, "The crew", *c.Name)
		require.Equal(t, domain.RoleOwner, c.Role)
		require.Equal(t, 3, c.MemberCount)
		require.Equal(t, int64(4), c.LastSeq)
		require.Equal(t, byte('7'), c.ID.String()[14], "UUIDv7")
	})
	t.Run("a retry finds the group it has made", func(t *testing.T) {
		r := createRequest(ann, "group", "crew", bob.ID)
		r.key = "g"
		first := n.do(t, r).is(http.StatusCreated)
		answers := atOnce(8, func(int) answer { return n.do(t, r) })
		for _, again := range answers {
			require.True(t, again.is(http.StatusCreated).replayed())
			require.JSONEq(t, string(first.body), string(again.body))
		}
		r.body.(map[string]any)["name"] = "another crew"
		n.do(t, r).refused(409, "idempotency_key_reused")

		other := createRequest(bob, "group", "crew", ann.ID)
		other.key = "g"
		require.NotEqual(t, into[web.Conversation](first).ID, into[web.Conversation](n.do(t, other).is(http.StatusCreated)).ID)
	})
	t.Run("without a key each is another", func(t *testing.T) {
		require.NotEqual(t, n.group(t, ann), n.group(t, ann))
	})
	t.Run("refuses", func(t *testing.T) {
		n.do(t, createRequest(ann, "group", "", bob.ID)).refused(422, "name_invalid")
		n.do(t, createRequest(ann, "group", "crew", bob.ID, domain.ID(uuid.New()))).refused(404, "user_not_found")
	})
}

func TestMembers(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, cat, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "cat"), n.person(t, "eve")
	crew := n.group(t, ann, bob)

	t.Run("a member is added, once", func(t *testing.T) {
		r := addRequest(ann, crew, cat.ID, "admin")
		r.key = "add"
		first := n.do(t, r).is(http.StatusCreated)
		require.Equal(t, web.Member{UserID: cat.ID, Role: domain.RoleAdmin}, into[web.Member](first))
		again := n.do(t, r).is(http.StatusCreated)
		require.True(t, again.replayed())
		require.JSONEq(t, string(first.body), string(again.body))

		there := addRequest(ann, crew, cat.ID, "reader")
		there.key = "add-again"
		for range 2 {
			require.Equal(t, web.Member{UserID: cat.ID, Role: domain.RoleAdmin}, into[web.Member](n.do(t, there).is(http.StatusOK)), "he stays what he is")
		}
	})
	t.Run("the new member sends at once, the removed one no more", func(t *testing.T) {
		n.do(t, sendRequest(cat, crew, "", "hello")).is(http.StatusCreated)
		n.do(t, removeRequest(ann, crew, cat.ID)).is(http.StatusNoContent)
		n.do(t, sendRequest(cat, crew, "", "hello")).refused(404, "conversation_not_found")
	})
	t.Run("removing an unknown user changes nothing", func(t *testing.T) {
		before := len(n.events(t, crew))
		n.do(t, removeRequest(ann, crew, cat.ID)).is(http.StatusNoContent)
		require.Len(t, n.events(t, crew), before)
	})
	t.Run("refuses", func(t *testing.T) {
		n.do(t, addRequest(bob, crew, eve.ID, "")).refused(403, "forbidden")
		n.do(t, addRequest(eve, crew, eve.ID, "")).refused(404, "conversation_not_found")
		n.do(t, addRequest(eve, crew, domain.ID(uuid.New()), "")).refused(404, "conversation_not_found")
		n.do(t, addRequest(ann, crew, domain.ID(uuid.New()), "")).refused(404, "user_not_found")
		n.do(t, addRequest(ann, crew, eve.ID, "king")).refused(422, "validation")
		n.do(t, removeRequest(bob, crew, ann.ID)).refused(403, "forbidden")
		n.do(t, removeRequest(eve, crew, bob.ID)).refused(404, "conversation_not_found")
		direct := into[web.Conversation](n.do(t, createRequest(ann, "direct", "", bob.ID)).is(http.StatusCreated)).ID
		n.do(t, addRequest(ann, direct, eve.ID, "")).refused(422, "direct_is_fixed")
		n.do(t, removeRequest(ann, direct, ann.ID)).refused(422, "direct_is_fixed")
	})
	t.Run("leaving hands the ownership on, also in a retry", func(t *testing.T) {
		r := removeRequest(ann, crew, ann.ID)
		r.key = "leave"
		first := n.do(t, r).is(http.StatusNoContent)
		again := n.do(t, r).is(http.StatusNoContent)
		require.True(t, again.replayed())
		require.Equal(t, first.position(), again.position())
		n.do(t, addRequest(bob, crew, eve.ID, "owner")).is(http.StatusCreated)
		n.do(t, sendRequest(ann, crew, "", "hello")).refused(404, "conversation_not_found")
	})
}

func TestAdvanceRead(t *testing.T) {
	n := newSystem(t).start()
	ann, bob, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "eve")
	crew := n.group(t, ann, bob)
	sent := into[web.Message](n.do(t, sendRequest(ann, crew, "", "hello")).is(http.StatusCreated))
	read := func(by person, seq any) request { return readRequest(by, crew, seq) }
	a := n.do(t, read(bob, sent.Seq)).is(http.StatusOK)
	require.JSONEq(t, `{"seq":4}`, string(a.body))
	require.Positive(t, a.position().Position)
	n.do(t, read(bob, sent.Seq+100)).refused(422, "seq_invalid")
	n.do(t, read(bob, 0)).refused(422, "validation")
	n.do(t, read(bob, 1.5)).refused(422, "validation")
	n.do(t, read(eve, 1)).refused(404, "conversation_not_found")
}

func TestShutdown(t *testing.T) {
	n := newSystem(t).start()
	ann := n.person(t, "ann")
	crew := n.group(t, ann)
	n.stopLog()
	a := n.do(t, sendRequest(ann, crew, "", "hello")).refused(503, "shutting_down")
	require.Equal(t, "1", a.header.Get("Retry-After"))
}

// TestContractOfCommands: the document names each operation with its answers.
func TestContractOfCommands(t *testing.T) {
	n := newSystem(t).start()
	doc := into[struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct{ Content map[string]any }
		}
	}](n.do(t, request{method: "GET", path: "/openapi.json"}).is(http.StatusOK))
	for path, methods := range map[string]map[string][]string{
		"/v1/auth/register":                           {"post": {"201"}},
		"/v1/auth/login":                              {"post": {"200"}},
		"/v1/auth/refresh":                            {"post": {"200"}},
		"/v1/auth/logout":                             {"post": {"204"}},
		"/v1/auth/ticket":                             {"post": {"201"}},
		"/v1/users/me":                                {"delete": {"202"}, "patch": {"200"}},
		"/v1/users/me/blocks/{user_id}":               {"put": {"204"}, "delete": {"204"}},
		"/v1/conversations":                           {"post": {"200", "201"}},
		"/v1/conversations/{conversation_id}":         {"patch": {"200"}},
		"/v1/conversations/{conversation_id}/members": {"post": {"200", "201"}},
		"/v1/conversations/{conversation_id}/members/{user_id}":                       {"delete": {"204"}, "patch": {"200"}},
		"/v1/conversations/{conversation_id}/messages":                                {"post": {"201"}},
		"/v1/conversations/{conversation_id}/messages/{message_id}":                   {"patch": {"200"}, "delete": {"204"}},
		"/v1/conversations/{conversation_id}/messages/{message_id}/reactions/{emoji}": {"put": {"200"}, "delete": {"200"}},
		"/v1/conversations/{conversation_id}/messages/{message_id}/pin":               {"put": {"200"}, "delete": {"200"}},
		"/v1/conversations/{conversation_id}/stealth":                                 {"post": {"201"}},
		"/v1/conversations/{conversation_id}/stealth/{stealth_id}":                    {"delete": {"204"}},
		"/v1/conversations/{conversation_id}/typing":                                  {"put": {"204"}},
		"/v1/conversations/{conversation_id}/read":                                    {"put": {"200"}},
	} {
		for method, statuses := range methods {
			responses := doc.Paths[path][method].Responses
			for _, status := range statuses {
				require.Contains(t, responses, status, "%s %s", method, path)
			}
			require.Contains(t, responses["422"].Content, "application/problem+json", "%s %s", method, path)
		}
	}
}
