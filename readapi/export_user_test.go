package readapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// archive is the content of an export.
type archive struct {
	UserID   domain.ID `json:"user_id"`
	Identity struct {
		Email    string
		Handles  []string
		Sessions []struct{ ID domain.ID }
	}
	Profile       map[string]string
	Blocked       []domain.ID
	Events        []frame
	Conversations []struct {
		ID     domain.ID
		Events []frame
	}
}

type frame struct {
	Event string
	Actor domain.ID `json:"actor_id"`
	Seq   int64
	Data  struct {
		Body   string
		Name   string
		UserID domain.ID `json:"user_id"`
	}
}

// identity adds the rows that a registered user has besides the log.
func (s *system) identity(user domain.ID, email string) {
	s.t.Helper()
	for _, sql := range []string{
		`INSERT INTO identity.credentials (user_id, email, password_hash, registered_at) VALUES ($1, $2, 'a hash', now())`,
		`INSERT INTO identity.sessions (id, user_id, expires_at) VALUES (gen_random_uuid(), $1, now() + interval '1 day'), (gen_random_uuid(), $1, now()) RETURNING $2::text`,
		`INSERT INTO identity.handles (handle, user_id) VALUES (split_part($2, '@', 1), $1)`,
	} {
		_, err := s.pool.Exec(s.t.Context(), sql, user, email)
		require.NoError(s.t, err)
	}
}

func TestExportUser(t *testing.T) {
	s := newSystem(t)
	ann, bob := s.user("Ann"), s.user("Bob")
	s.identity(ann, "ann@example.org")
	s.profile(ann, domain.ChangeProfile{Bio: new("curious")})
	crew, left := s.group("crew", ann, bob), s.group("left", bob, ann)
	for i := range 450 { // more than two pages
		s.send(crew, ann, fmt.Sprintf("mine %d \" \\ ünï", i), domain.ID{})
	}
	secret := s.send(crew, bob, "bob's own", domain.ID{})
	s.send(left, ann, "before I left", domain.ID{})
	s.remove(left, bob, ann)
	s.send(left, bob, "after ann left", domain.ID{})
	s.execute(left, bob, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.Rename(domain.RenameConversation{Actor: bob, Topic: new("why ann went")})
	})
	s.group("without ann", bob)

	response := s.request(ann, "/v1/users/me/export", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	require.Contains(t, response.Header.Get("Content-Disposition"), "attachment")
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var a archive
	require.NoError(t, json.Unmarshal(content, &a), "one valid document")

	require.Equal(t, ann, a.UserID)
	require.Equal(t, "ann@example.org", a.Identity.Email)
	require.Equal(t, []string{"ann"}, a.Identity.Handles)
	require.Len(t, a.Identity.Sessions, 2)
	require.Equal(t, "Ann", a.Profile["display_name"])
	require.Equal(t, "curious", a.Profile["bio"])
	require.Len(t, a.Events, 2)
	require.Len(t, a.Conversations, 2)
	bodies := 0
	for _, c := range a.Conversations {
		last := int64(0)
		for _, e := range c.Events {
			require.Greater(t, e.Seq, last, "oldest first, each once")
			last = e.Seq
			if e.Event == "message.sent" {
				require.Equal(t, ann, e.Actor)
				bodies++
			}
		}
		require.Equal(t, "conversation.created", c.Events[0].Event)
		if c.ID == left {
			require.Equal(t, "member.removed", c.Events[len(c.Events)-1].Event)
		}
	}
	require.Equal(t, 451, bodies)
	for _, others := range []string{"bob's own", "why ann went", "after ann left", "without ann", "a hash", secret.ID.String()} {
		require.NotContains(t, string(content), others)
	}

	t.Run("an export that cannot start is a problem document", func(t *testing.T) {
		require.Equal(t, "user_not_found", s.refused(bob, "/v1/users/me/export", http.StatusNotFound), "bob has no identity here")
	})
	t.Run("an incomplete export is not valid", func(t *testing.T) {
		// Make one event of a conversation unreadable.
		_, err := s.pool.Exec(t.Context(), `UPDATE log.events SET payload = '{"user_id":"no id"}' WHERE stream = $1 AND type = 'member.removed'`, left)
		require.NoError(t, err)
		response := s.request(ann, "/v1/users/me/export", "")
		require.Equal(t, http.StatusOK, response.StatusCode)
		content, err := io.ReadAll(response.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.True(t, strings.HasPrefix(string(content), `{"blocked"`))
		require.False(t, json.Valid(content))
	})
}
