package readapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
	"ping/internal/web"
	"ping/readapi"
)

func TestMessageShape(t *testing.T) {
	s := newSystem(t)
	ada, bob := s.user("Ada"), s.user("Bob")
	group := s.group("The crew", ada, bob)
	path := func(e *eventlog.Event) string { return fmt.Sprintf("/v1/conversations/%s/messages/%s", group, e.ID) }
	m := s.mention(group, ada, bob)

	t.Run("with reactions as each user sees them", func(t *testing.T) {
		s.react(m, ada, "👍", true)
		s.react(m, bob, "👍", true)
		s.react(m, bob, "🎉", true)
		require.Equal(t, []web.Reaction{{Emoji: "🎉", Count: 1}, {Emoji: "👍", Count: 2, Mine: true}}, read[web.Message](s, ada, path(m)).Reactions)
		require.Equal(t, []web.Reaction{{Emoji: "🎉", Count: 1, Mine: true}, {Emoji: "👍", Count: 2, Mine: true}}, read[web.Message](s, bob, path(m)).Reactions)
		s.react(m, bob, "👍", false)
		s.react(m, bob, "🎉", false)
		require.Equal(t, []web.Reaction{{Emoji: "👍", Count: 1}}, read[web.Message](s, bob, path(m)).Reactions)
	})
	t.Run("edited, with the mentions from when it was sent", func(t *testing.T) {
		require.Nil(t, read[web.Message](s, bob, path(m)).EditedAt)
		s.edit(m, ada, "edited")
		s.pin(m, ada, true)
		got := read[web.Message](s, bob, path(m))
		require.Equal(t, "edited", got.Body)
		require.False(t, got.EditedAt.Before(got.SentAt))
		require.Equal(t, []domain.ID{bob}, got.Mentions)
		require.True(t, got.Pinned)
		require.Equal(t, got, *read[web.Conversation](s, bob, "/v1/conversations/"+group.String()).LastMessage)
		require.Equal(t, []web.Message{got}, read[readapi.MessagePage](s, bob, "/v1/conversations/"+group.String()+"/messages").Items)
	})
	t.Run("deleted, with a tombstone in its place", func(t *testing.T) {
		s.delete(m, ada)
		got := read[web.Message](s, bob, path(m))
		require.NotNil(t, got.DeletedAt)
		require.Equal(t, web.Message{ID: m.ID, ConversationID: group, Seq: m.Version, AuthorID: ada, SentAt: m.RecordedAt,
			Mentions: []domain.ID{}, Reactions: []web.Reaction{}, DeletedAt: got.DeletedAt}, got)
		require.Equal(t, []web.Message{got}, read[readapi.MessagePage](s, bob, "/v1/conversations/"+group.String()+"/messages").Items)
		require.Empty(t, read[web.Page[web.Message]](s, bob, "/v1/conversations/"+group.String()+"/pins").Items)
		s.requireTombstone(m)
	})
}

// requireTombstone checks the tables.
func (s *system) requireTombstone(e *eventlog.Event) {
	s.t.Helper()
	var tombstone bool
	require.NoError(s.t, s.pool.QueryRow(s.t.Context(), `
SELECT body = '' AND deleted_at IS NOT NULL AND edited_at IS NULL AND pinned_seq IS NULL AND mentions IS NULL AND NOT EXISTS (
         SELECT FROM timeline.reactions r WHERE r.conversation_id = m.conversation_id AND r.seq = m.seq)
  FROM timeline.messages m WHERE conversation_id = $1 AND seq = $2`, e.Stream, e.Version).Scan(&tombstone))
	require.True(s.t, tombstone, "message %d is not a tombstone", e.Version)
}

// anotherLog is the log of another node on the same services.
func (s *system) anotherLog() *eventlog.Log {
	s.t.Helper()
	nc, err := eventlog.Connect(s.nats)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	log, err := eventlog.Open(ctx, s.pool, nc, eventlog.Config{}, testkit.Logger(s.t))
	require.NoError(s.t, err)
	ran := make(chan error, 1)
	go func() { ran <- log.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("log: %v", err)
		}
		nc.Close()
	})
	return log
}

// TestDeletionWins: two nodes decide concurrently, one to delete a message, the other to edit it, react to it and pin
// it. Whatever is first in the log, the result is a tombstone.
func TestDeletionWins(t *testing.T) {
	s := newSystem(t)
	other := s.anotherLog()
	ada := s.user("Ada")
	group := s.group("The crew", ada)
	var sent []*eventlog.Event
	after := 0 // changes that the log has after the deletion
	for range 100 {
		e := s.send(group, ada, "secret", domain.ID{})
		sent = append(sent, e)
		here, there := s.message(s.log, group, e.ID), s.message(other, group, e.ID)
		decisions := []decision{editing(there, ada, "secret still"), reacting(there, ada, "👍", false, true), pinning(there, ada, true)}
		var wg sync.WaitGroup
		var deleted eventlog.Result
		results := make([]eventlog.Result, len(decisions))
		wg.Go(func() {
			var err error
			if deleted, err = s.try(s.log, group, ada, deleting(here, ada)); err != nil {
				t.Error(err)
			}
		})
		for i, decide := range decisions {
			wg.Go(func() {
				var err error
				if results[i], err = s.try(other, group, ada, decide); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, done := range append(results, deleted) {
			if done.At.Position > s.last.Position {
				s.wrote(done.At)
			}
		}
		for _, done := range results {
			if done.At.Position > deleted.At.Position {
				after++
			}
		}
	}
	require.Positive(t, after, "the deletion was never first")
	p := read[readapi.MessagePage](s, ada, "/v1/conversations/"+group.String()+"/messages?limit=200")
	require.Len(t, p.Items, len(sent))
	for _, m := range p.Items {
		require.NotNil(t, m.DeletedAt)
		require.Empty(t, m.Body)
		require.Empty(t, m.Reactions)
		require.False(t, m.Pinned)
	}
	for _, e := range sent {
		s.requireTombstone(e)
	}
	require.Empty(t, read[web.Page[web.Message]](s, ada, "/v1/conversations/"+group.String()+"/pins").Items)
}

func TestPins(t *testing.T) {
	s := newSystem(t)
	ada, eve := s.user("Ada"), s.user("Eve")
	group := s.group("The crew", ada)
	path := "/v1/conversations/" + group.String() + "/pins"
	require.Empty(t, read[web.Page[web.Message]](s, ada, path).Items)
	var want []int64
	var sent []*eventlog.Event
	for range 5 {
		sent = append(sent, s.send(group, ada, "hello", domain.ID{}))
	}
	for _, i := range []int{2, 0, 4, 1, 3} {
		s.pin(sent[i], ada, true)
		want = append([]int64{sent[i].Version}, want...)
	}
	var got []int64
	for more := path + "?limit=2"; more != ""; {
		p := read[web.Page[web.Message]](s, ada, more)
		for _, m := range p.Items {
			require.True(t, m.Pinned)
			got = append(got, m.Seq)
		}
		if more = ""; p.Next != nil {
			more = path + "?limit=2&cursor=" + *p.Next
		}
	}
	require.Equal(t, want, got, "most recently pinned first")
	s.pin(sent[3], ada, false)
	require.Len(t, read[web.Page[web.Message]](s, ada, path).Items, 4)
	require.Equal(t, "conversation_not_found", s.refused(eve, path, http.StatusNotFound))
	require.Equal(t, "cursor_invalid", s.refused(ada, path+"?cursor=x", http.StatusUnprocessableEntity))
}

func TestInboxOfDirectConversation(t *testing.T) {
	s := newSystem(t)
	ada, bob := s.user("Ada"), s.user("Bob")
	direct := domain.DirectID(ada, bob)
	s.execute(direct, ada, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.Create(domain.CreateConversation{Actor: ada, Kind: domain.Direct, Members: []domain.ID{bob}})
	})
	for user, peer := range map[domain.ID]domain.ID{ada: bob, bob: ada} {
		c := read[web.Page[web.Conversation]](s, user, "/v1/conversations").Items[0]
		require.Equal(t, peer, *c.PeerID)
		require.Nil(t, c.Name)
		require.Equal(t, c, read[web.Conversation](s, user, "/v1/conversations/"+direct.String()))
	}
}
