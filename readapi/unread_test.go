package readapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/web"
	"ping/readapi"
)

func TestUnread(t *testing.T) {
	s := newSystem(t)
	ada, bob := s.user("Ada"), s.user("Bob")
	crew, club := s.group("The crew", ada, bob), s.group("The club", ada, bob)
	unread := func(user domain.ID) readapi.Unread { return read[readapi.Unread](s, user, "/v1/users/me/unread") }
	inbox := func(id domain.ID) web.Conversation {
		return read[web.Conversation](s, bob, "/v1/conversations/"+id.String())
	}
	require.Zero(t, unread(bob))
	topic := "Sails"
	s.execute(crew, ada, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.Rename(domain.RenameConversation{Actor: ada, Topic: &topic})
	})
	first := s.mention(crew, ada, bob)
	s.mention(crew, ada, bob)
	last := s.send(crew, ada, "hello", domain.ID{})
	s.send(club, ada, "hello", domain.ID{})
	require.Equal(t, readapi.Unread{UnreadCount: 4, UnreadMentions: 2, Conversations: 2}, unread(bob))
	require.Zero(t, unread(ada))
	c := inbox(crew)
	require.Equal(t, "Sails", *c.Topic)
	require.EqualValues(t, 3, c.UnreadCount)
	require.EqualValues(t, 2, c.UnreadMentions)

	s.mark(crew, bob, first.Version)
	require.EqualValues(t, first.Version, inbox(crew).ReadSeq)
	require.Equal(t, readapi.Unread{UnreadCount: 3, UnreadMentions: 1, Conversations: 2}, unread(bob))
	s.mark(crew, bob, last.Version)
	require.Equal(t, readapi.Unread{UnreadCount: 1, Conversations: 1}, unread(bob))
	s.mark(crew, bob, first.Version)
	require.EqualValues(t, last.Version, inbox(crew).ReadSeq, "a read marker never moves back")
	s.remove(club, bob, bob)
	require.Zero(t, unread(bob))
	require.Equal(t, "unauthenticated", s.refused(domain.ID{}, "/v1/users/me/unread", http.StatusUnauthorized))
}
