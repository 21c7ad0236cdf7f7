package readapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
	"ping/readapi"
)

func TestConversation(t *testing.T) {
	s := newSystem(t)
	ada, bob, eve := s.user("Ada"), s.user("Bob"), s.user("Eve")
	group := s.group("The crew", ada, bob)
	path := "/v1/conversations/" + group.String()

	t.Run("has the contract's shape", func(t *testing.T) {
		first := s.send(group, ada, "hello", domain.ID{})
		reply := s.send(group, ada, "<b>&   \"two\"", first.ID)
		status, body := s.get(bob, path)
		require.Equal(t, http.StatusOK, status)
		require.JSONEq(t, fmt.Sprintf(`{
			"id": %q, "kind": "group", "name": "The crew", "topic": null, "peer_id": null, "role": "member", "member_count": 2,
			"last_seq": 5, "read_seq": 3, "unread_count": 2, "unread_mentions": 0, "created_at": %s,
			"last_message": {
				"id": %q, "conversation_id": %q, "seq": 5, "author_id": %q, "body": "<b>&   \"two\"", "reply_to": %q,
				"mentions": [], "reactions": [], "edited_at": null, "deleted_at": null, "sent_at": %s, "pinned": false}}`,
			group, createdAt(t, body), reply.ID, group, ada, first.ID, jsonOf(t, reply.RecordedAt)), string(body))
		require.Equal(t, domain.RoleOwner, read[web.Conversation](s, ada, path).Role)
		require.Zero(t, read[web.Conversation](s, ada, path).UnreadCount, "own messages count as read")
	})
	t.Run("counts unread messages and no other events", func(t *testing.T) {
		s.execute(group, bob, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.AdvanceRead(domain.AdvanceRead{Actor: bob, Seq: 4, LastSeq: 5})
		})
		require.EqualValues(t, 1, read[web.Conversation](s, bob, path).UnreadCount)
	})
	t.Run("counts from when a member joins", func(t *testing.T) {
		require.Equal(t, "conversation_not_found", s.refused(eve, path, http.StatusNotFound))
		s.execute(group, ada, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.AddMember(domain.AddMember{Actor: ada, UserID: eve, Role: domain.RoleReader})
		})
		c := read[web.Conversation](s, eve, path)
		require.Zero(t, c.UnreadCount)
		require.Equal(t, domain.RoleReader, c.Role)
		require.Equal(t, 3, c.MemberCount)
		s.send(group, bob, "welcome", domain.ID{})
		require.EqualValues(t, 1, read[web.Conversation](s, eve, path).UnreadCount)
	})
	t.Run("is not found by a user who left", func(t *testing.T) {
		s.remove(group, eve, eve)
		for _, below := range []string{"", "/members", "/messages", "/messages/" + eventlog.NewID().String(), "/events"} {
			require.Equal(t, "conversation_not_found", s.refused(eve, path+below, http.StatusNotFound), below)
		}
		require.Empty(t, read[web.Page[web.Conversation]](s, eve, "/v1/conversations").Items)
	})
	t.Run("is the same for the commands", func(t *testing.T) {
		c, err := s.read.Conversation(t.Context(), ada, group, s.last)
		require.NoError(t, err)
		require.Equal(t, read[web.Conversation](s, ada, path), c)
		_, err = s.read.Conversation(t.Context(), eve, group, s.last)
		require.ErrorIs(t, err, domain.ErrConversationNotFound)
	})
}

func createdAt(t *testing.T, body []byte) string {
	t.Helper()
	var c struct {
		At json.RawMessage `json:"created_at"`
	}
	require.NoError(t, json.Unmarshal(body, &c))
	return string(c.At)
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestInbox(t *testing.T) {
	s := newSystem(t)
	ada, bob := s.user("Ada"), s.user("Bob")
	var newestFirst []string
	for n := range 7 {
		newestFirst = append([]string{s.group(fmt.Sprint("group ", n), ada, bob).String()}, newestFirst...)
	}
	top := newestFirst[4]
	var id domain.ID
	require.NoError(t, id.UnmarshalText([]byte(top)))
	s.send(id, bob, "up", domain.ID{})
	newestFirst = append([]string{top}, slices.DeleteFunc(newestFirst, func(s string) bool { return s == top })...)

	collect := func(limit int, between func(page int)) (ids []string) {
		path := fmt.Sprintf("/v1/conversations?limit=%d", limit)
		for n, more := 0, path; more != ""; n++ {
			p := read[web.Page[web.Conversation]](s, ada, more)
			require.LessOrEqual(t, len(p.Items), limit)
			for _, c := range p.Items {
				ids = append(ids, c.ID.String())
			}
			if more = ""; p.Next != nil {
				more = path + "&cursor=" + *p.Next
			}
			between(n)
		}
		return ids
	}
	quiet := func(int) {}
	require.Equal(t, newestFirst, collect(50, quiet))
	require.Equal(t, newestFirst, collect(7, quiet))
	require.Equal(t, newestFirst, collect(3, quiet))
	// What is sent in the meantime is newer than every later page.
	require.Equal(t, newestFirst, collect(2, func(page int) {
		if page == 1 {
			s.send(id, ada, "and up again", domain.ID{})
			s.group("a new one", ada)
		}
	}))
	require.Equal(t, "cursor_invalid", s.refused(ada, "/v1/conversations?cursor=x", http.StatusUnprocessableEntity))
	require.Equal(t, "validation", s.refused(ada, "/v1/conversations?limit=201", http.StatusUnprocessableEntity))
	require.Equal(t, "unauthenticated", s.refused(domain.ID{}, "/v1/conversations", http.StatusUnauthorized))
}

func TestMembers(t *testing.T) {
	s := newSystem(t)
	var users []domain.ID
	names := map[domain.ID]string{}
	for n := range 5 {
		users = append(users, s.user(fmt.Sprint("User ", n)))
		names[users[n]] = fmt.Sprint("User ", n)
	}
	// The position of the last write covers only the group's partition.
	registered := s.last.String()
	group := s.group("The crew", users...)
	s.remove(group, users[0], users[3])
	s.get(users[0], "/v1/users/me")
	response := s.request(users[0], "/v1/users/me", registered)
	require.Equal(t, http.StatusOK, response.StatusCode)

	path := "/v1/conversations/" + group.String() + "/members"
	first := read[web.Page[readapi.ListedMember]](s, users[1], path+"?limit=3")
	require.NotNil(t, first.Next)
	second := read[web.Page[readapi.ListedMember]](s, users[1], path+"?limit=3&cursor="+*first.Next)
	require.Nil(t, second.Next)
	all := append(first.Items, second.Items...)
	require.Len(t, all, 4)
	for i, n := range []int{0, 1, 2, 4} { // ids are ordered by time of registration
		require.Equal(t, users[n], all[i].UserID)
		require.Equal(t, names[users[n]], all[i].DisplayName)
		require.False(t, all[i].JoinedAt.IsZero())
	}
	require.Equal(t, domain.RoleOwner, all[0].Role)
	require.Equal(t, domain.RoleMember, all[1].Role)
	// A cursor of another list is refused.
	inbox := read[web.Page[web.Conversation]](s, users[0], "/v1/conversations?limit=1")
	require.Nil(t, inbox.Next)
	require.Equal(t, "cursor_invalid", s.refused(users[1], path+"?cursor=aW5ib3gKMQox", http.StatusUnprocessableEntity))
}
