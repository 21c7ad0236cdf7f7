package contract

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
)

// TestRemovedAtOnce: after the acknowledgement of their removal, a user learns
// nothing of the conversation, however far the read models lag.
func TestRemovedAtOnce(t *testing.T) {
	s := newCast(t)
	ada, bob := s.register(t), s.register(t)
	group := s.group(t, ada, "secret name", bob)
	own := s.send(t, bob, group, "bob's own")
	others := s.send(t, ada, group, "secret body")
	s.write(t, ada, "PUT /v1/conversations/"+group+"/messages/"+others+"/pin", "")
	elsewhere := s.send(t, bob, s.group(t, bob, "elsewhere"), "elsewhere")
	sc := &scene{conversation: group, names: map[string]string{"$own": own, "$others": others, "$elsewhere": elsewhere}}
	edit := func() reply {
		return s.ask(t, bob.Token, "PATCH /v1/conversations/"+group+"/messages/"+own, `{"body":"edited"}`, "Idempotency-Key", "edit")
	}
	require.Equal(t, http.StatusOK, edit().status)
	reads := s.readsOf(t, sc)
	require.Greater(t, len(reads), 5)
	for _, r := range reads {
		require.Equal(t, r.member, s.answered(t, bob, r, sc), r.name())
	}
	require.Contains(t, s.ask(t, bob.Token, "GET /v1/conversations", "").raw, group)
	require.Equal(t, int64(1), s.unread(t, bob))
	stream := harness.OpenSocket(t, s.base, bob)
	harness.AwaitFrame(t, stream, map[string]string{"type": "ready"})

	s.stopReadModels(t)
	s.write(t, ada, "DELETE /v1/conversations/"+group+"/members/"+bob.ID, "")
	s.send(t, ada, group, "not for bob")
	var knows bool
	require.NoError(t, s.n.Pool.QueryRow(t.Context(),
		`SELECT removed_seq IS NOT NULL FROM inbox.members WHERE conversation_id = $1 AND user_id = $2`, group, bob.ID).Scan(&knows))
	require.False(t, knows, "the inbox is not behind: this tests nothing")

	t.Run("reads of the conversation are refused", func(t *testing.T) {
		for _, r := range reads {
			require.Equal(t, hidden, s.answered(t, bob, r, sc), r.name())
		}
	})
	t.Run("lists and sums leave it out", func(t *testing.T) {
		inbox := s.ask(t, bob.Token, "GET /v1/conversations", "")
		require.Equal(t, http.StatusOK, inbox.status)
		require.NotContains(t, inbox.raw, group)
		require.Zero(t, s.unread(t, bob))
		if s.served()["GET /v1/search"] {
			require.NotContains(t, s.ask(t, bob.Token, "GET /v1/search?q=secret", "").raw, group)
		}
	})
	t.Run("a retry of an earlier command is refused", func(t *testing.T) {
		require.Equal(t, "conversation_not_found", edit().problem().Code)
	})
	t.Run("sockets are silent until the user is a member again", func(t *testing.T) {
		later := harness.OpenSocket(t, s.base, bob)
		ready := harness.AwaitFrame(t, later, map[string]string{"type": "ready"})
		encoded, err := json.Marshal(ready["conversations"])
		require.NoError(t, err)
		require.NotContains(t, string(encoded), group)
		s.write(t, ada, "POST /v1/conversations/"+group+"/members", `{"user_id":"`+bob.ID+`"}`)
		require.Equal(t, "member.removed", nextEvent(t, stream, group))
		require.Equal(t, "member.added", nextEvent(t, stream, group))
		require.Equal(t, "member.added", nextEvent(t, later, group))
	})
}

// readsOf returns the rows of all routes that read a conversation.
func (s *cast) readsOf(t *testing.T, sc *scene) (reads []row) {
	t.Helper()
	served := s.served()
	for _, r := range permissions {
		about := r.about == "" || sc.names[r.about] != ""
		if served[r.route] && about && strings.HasPrefix(r.route, http.MethodGet) && strings.Contains(r.route+r.query, "{conversation_id}") {
			reads = append(reads, r)
		}
	}
	return reads
}

// answered asks, and returns the status and the code.
func (s *cast) answered(t *testing.T, who *harness.Client, r row, sc *scene) string {
	t.Helper()
	what, body := s.requestOf(t, r, member, sc)
	return s.ask(t, who.Token, what, body).summary()
}

func (s *cast) unread(t *testing.T, who *harness.Client) (sum int64) {
	t.Helper()
	r := s.ask(t, who.Token, "GET /v1/users/me/unread", "")
	require.Equal(t, http.StatusOK, r.status, r.raw)
	var counts map[string]int64
	require.NoError(t, json.Unmarshal([]byte(r.raw), &counts))
	return counts["unread_count"]
}

// stopReadModels keeps the projections from writing until the test ends, as a
// node does that hangs while it holds their leases.
func (s *cast) stopReadModels(t *testing.T) {
	t.Helper()
	tx, err := s.n.Pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE inbox.members, inbox.conversations, timeline.messages IN EXCLUSIVE MODE`)
	require.NoError(t, err)
	s.stopped = true
	t.Cleanup(func() { require.NoError(t, tx.Rollback(context.Background())) })
}

// nextEvent returns the type of the next event of a conversation.
func nextEvent(t *testing.T, ws *websocket.Conn, conversation string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, content, err := ws.Read(ctx)
		require.NoError(t, err)
		var frame struct {
			Type, Event    string
			ConversationID string `json:"conversation_id"`
		}
		require.NoError(t, json.Unmarshal(content, &frame))
		if frame.Type == "event" && frame.ConversationID == conversation {
			return frame.Event
		}
	}
}
