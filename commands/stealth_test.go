package commands_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/web"
)

func stealthRequest(by person, conversation domain.ID, key string, body any) request {
	return request{method: "POST", path: "/v1/conversations/" + conversation.String() + "/stealth", token: by.Token, key: key, body: body}
}

func withdrawRequest(by person, m ephemeral.Stealth) request {
	return request{method: "DELETE", path: "/v1/conversations/" + m.ConversationID.String() + "/stealth/" + m.ID.String(), token: by.Token}
}

func typingRequest(by person, conversation domain.ID) request {
	return request{method: "PUT", path: "/v1/conversations/" + conversation.String() + "/typing", token: by.Token, body: map[string]any{"on": true}}
}

func TestStealth(t *testing.T) {
	s := newSystem(t)
	n, other := s.start(), s.start()
	ann, bob, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "eve")
	crew := n.group(t, ann, bob)
	psst := map[string]any{"body": "psst", "ttl_seconds": 3600}

	t.Run("is answered as it will be seen, and leaves the log as it is", func(t *testing.T) {
		before := n.events(t, crew)
		a := n.do(t, stealthRequest(ann, crew, "", map[string]any{"body": "psst"})).is(http.StatusCreated)
		m := into[ephemeral.Stealth](a)
		require.Equal(t, "psst", m.Body)
		require.Equal(t, ann.ID, m.AuthorID)
		require.Equal(t, crew, m.ConversationID)
		require.Equal(t, time.Minute, m.ExpiresAt.Sub(m.SentAt), "the default")
		require.WithinDuration(t, time.Now(), m.SentAt, time.Minute)
		require.Empty(t, a.header.Get("Ping-Position"))
		require.Equal(t, before, n.events(t, crew))
	})
	t.Run("is sent once under a key, by any node", func(t *testing.T) {
		first := n.do(t, stealthRequest(ann, crew, "k", psst)).is(http.StatusCreated)
		again := other.do(t, stealthRequest(ann, crew, "k", psst)).is(http.StatusCreated)
		require.False(t, first.replayed())
		require.True(t, again.replayed())
		require.Equal(t, string(first.body), string(again.body))
		other.do(t, stealthRequest(ann, crew, "k", map[string]any{"body": "psst", "ttl_seconds": 3601})).refused(409, "idempotency_key_reused")
		require.False(t, n.do(t, stealthRequest(bob, crew, "k", psst)).is(http.StatusCreated).replayed(), "a key is its user's")
		sent := map[string]bool{}
		for _, a := range atOnce(8, func(int) answer { return n.do(t, stealthRequest(ann, crew, "at-once", psst)) }) {
			sent[string(a.is(http.StatusCreated).body)] = true
		}
		require.Len(t, sent, 1)
	})
	t.Run("is withdrawn by its author alone, and again without harm", func(t *testing.T) {
		m := into[ephemeral.Stealth](n.do(t, stealthRequest(ann, crew, "", psst)).is(http.StatusCreated))
		n.do(t, withdrawRequest(bob, m)).refused(403, "forbidden")
		n.do(t, withdrawRequest(eve, m)).refused(404, "conversation_not_found")
		n.do(t, withdrawRequest(ann, m)).is(http.StatusNoContent)
		other.do(t, withdrawRequest(ann, m)).is(http.StatusNoContent)
		n.do(t, withdrawRequest(bob, m)).is(http.StatusNoContent)
	})
	t.Run("refuses what is no stealth message", func(t *testing.T) {
		for _, body := range []map[string]any{{"body": "psst", "ttl_seconds": 0}, {"body": "psst", "ttl_seconds": -1}, {"body": "psst", "ttl_seconds": 86_401},
			{"body": "psst", "ttl_seconds": 1.5}, {"body": "psst", "ttl_seconds": "60"}, {"ttl_seconds": 60}, {"body": "psst", "reply_to": ann.ID}} {
			n.do(t, stealthRequest(ann, crew, "", body)).refused(422, "validation")
		}
		n.do(t, stealthRequest(ann, crew, "", map[string]any{"body": " "})).refused(422, "body_empty")
		n.do(t, stealthRequest(ann, crew, "", map[string]any{"body": strings.Repeat("x", 4001)})).refused(422, "body_too_long")
		n.do(t, stealthRequest(ann, crew, "", map[string]any{"body": "a\x00b"})).refused(422, "body_invalid")
	})
	t.Run("is refused where messages are, at once on every node", func(t *testing.T) {
		n.do(t, stealthRequest(eve, crew, "", psst)).refused(404, "conversation_not_found")
		n.do(t, stealthRequest(eve, domain.ID(uuid.New()), "", psst)).refused(404, "conversation_not_found")
		other.do(t, stealthRequest(bob, crew, "", psst)).is(http.StatusCreated) // the other node has cached the membership
		n.do(t, request{method: "DELETE", path: "/v1/conversations/" + crew.String() + "/members/" + bob.ID.String(), token: ann.Token}).is(http.StatusNoContent)
		other.do(t, stealthRequest(bob, crew, "", psst)).refused(404, "conversation_not_found")
		other.do(t, typingRequest(bob, crew)).refused(404, "conversation_not_found")

		direct := into[web.Conversation](n.do(t, createRequest(ann, "direct", "", eve.ID)).is(http.StatusCreated)).ID
		n.do(t, stealthRequest(ann, direct, "", psst)).is(http.StatusCreated)
		n.do(t, typingRequest(ann, direct)).is(http.StatusNoContent)
		n.do(t, blockRequest(eve, "PUT", ann.ID)).is(http.StatusNoContent)
		for _, by := range []person{ann, eve} {
			other.do(t, stealthRequest(by, direct, "", psst)).refused(403, "blocked")
			other.do(t, typingRequest(by, direct)).refused(403, "blocked")
		}
	})
}

func TestStealthCountsAsSending(t *testing.T) {
	n := limited(t, "send=3/h")
	ann := n.person(t, "ann")
	crew := n.group(t, ann)
	n.do(t, sendRequest(ann, crew, "", "hello")).is(http.StatusCreated)
	n.do(t, stealthRequest(ann, crew, "", map[string]any{"body": "psst"})).is(http.StatusCreated)
	n.do(t, stealthRequest(ann, crew, "", map[string]any{"body": "psst"})).tooOften()
	n.do(t, typingRequest(ann, crew)).tooOften()
}
