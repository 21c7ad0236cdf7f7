package readapi_test

import (
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
)

// Writes for tests. Like commands, they decide on the state of the log, so they may change nothing or be refused.

// try runs a command on a conversation.
func (s *system) try(log *eventlog.Log, conversation, actor domain.ID, decide func(*domain.Conversation, int64) ([]domain.Event, error)) (eventlog.Result, error) {
	return eventlog.Execute(s.t.Context(), log, eventlog.Conversations, eventlog.Command{Stream: conversation, Actor: actor}, decide)
}

// must runs a command that is not refused.
func (s *system) must(conversation, actor domain.ID, decide func(*domain.Conversation, int64) ([]domain.Event, error)) {
	s.t.Helper()
	done, err := s.try(s.log, conversation, actor, decide)
	require.NoError(s.t, err)
	s.wrote(done.At)
}

type decision = func(*domain.Conversation, int64) ([]domain.Event, error)

func (s *system) message(log *eventlog.Log, conversation, id domain.ID) domain.Message {
	s.t.Helper()
	m, err := log.Message(s.t.Context(), conversation, id)
	require.NoError(s.t, err)
	return m
}

func editing(m domain.Message, actor domain.ID, body string) decision {
	return func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.EditMessage(domain.EditMessage{Actor: actor, Message: m, Body: body})
	}
}

func deleting(m domain.Message, actor domain.ID) decision {
	return func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.DeleteMessage(domain.DeleteMessage{Actor: actor, Message: m})
	}
}

func reacting(m domain.Message, actor domain.ID, emoji string, is, on bool) decision {
	return func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.React(domain.React{Actor: actor, Message: m, Emoji: emoji, Is: is, On: on})
	}
}

func pinning(m domain.Message, actor domain.ID, pinned bool) decision {
	return func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.PinMessage(domain.PinMessage{Actor: actor, Message: m, Pinned: pinned})
	}
}

func (s *system) edit(e *eventlog.Event, actor domain.ID, body string) {
	s.t.Helper()
	s.must(e.Stream, actor, editing(s.message(s.log, e.Stream, e.ID), actor, body))
}

func (s *system) delete(e *eventlog.Event, actor domain.ID) {
	s.t.Helper()
	s.must(e.Stream, actor, deleting(s.message(s.log, e.Stream, e.ID), actor))
}

func (s *system) pin(e *eventlog.Event, actor domain.ID, pinned bool) {
	s.t.Helper()
	s.must(e.Stream, actor, pinning(s.message(s.log, e.Stream, e.ID), actor, pinned))
}

func (s *system) react(e *eventlog.Event, actor domain.ID, emoji string, on bool) {
	s.t.Helper()
	is, _, err := s.log.Reactions(s.t.Context(), e.ID, actor, emoji)
	require.NoError(s.t, err)
	s.must(e.Stream, actor, reacting(s.message(s.log, e.Stream, e.ID), actor, emoji, is, on))
}

func (s *system) mark(conversation, actor domain.ID, seq int64) {
	s.t.Helper()
	marked, err := s.log.ReadMarker(s.t.Context(), conversation, actor)
	require.NoError(s.t, err)
	s.must(conversation, actor, func(c *domain.Conversation, version int64) ([]domain.Event, error) {
		return c.AdvanceRead(domain.AdvanceRead{Actor: actor, Seq: seq, LastSeq: version, Marked: marked})
	})
}

func (s *system) add(conversation, actor, user domain.ID) {
	s.t.Helper()
	s.must(conversation, actor, func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.AddMember(domain.AddMember{Actor: actor, UserID: user, Role: domain.RoleMember})
	})
}

// mention sends a message that mentions users.
func (s *system) mention(conversation, author domain.ID, users ...domain.ID) *eventlog.Event {
	s.t.Helper()
	return s.execute(conversation, author, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.SendMessage(domain.SendMessage{Actor: author, MessageID: eventlog.NewID(), Body: "you!", Mentions: users})
	})
}

// change runs a command on a user's own stream.
func (s *system) change(user domain.ID, decide func(*domain.User) ([]domain.Event, error)) {
	s.t.Helper()
	done, err := eventlog.Execute(s.t.Context(), s.log, eventlog.Users, eventlog.Command{Stream: user, Actor: user},
		func(u *domain.User, _ int64) ([]domain.Event, error) { return decide(u) })
	require.NoError(s.t, err)
	s.wrote(done.At)
}

func (s *system) block(user, other domain.ID, on bool) {
	s.t.Helper()
	s.change(user, func(u *domain.User) ([]domain.Event, error) {
		return u.Block(domain.BlockUser{Actor: user, UserID: other, On: on})
	})
}
