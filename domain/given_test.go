package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// People of the tests.
var (
	ann = person("ann")
	bob = person("bob")
	cat = person("cat")
	dan = person("dan")
	eve = person("eve")
)

func person(name string) domain.ID { return domain.DerivedID([]byte(name)) }

// decision is what a decider of a conversation is, seen from outside.
type decision func(*domain.Conversation) ([]domain.Event, error)

// userDecision is one of a user.
type userDecision func(*domain.User) ([]domain.Event, error)

// scenario reads: given(events…).when(decision).then(events…).
type scenario[State any] struct {
	state  State
	decide func(State) ([]domain.Event, error)
}

func given(events ...domain.Event) scenario[*domain.Conversation] {
	return scenario[*domain.Conversation]{state: fold(events)}
}

func givenUser(events ...domain.Event) scenario[*domain.User] {
	return scenario[*domain.User]{state: foldUser(events)}
}

func (s scenario[State]) when(d func(State) ([]domain.Event, error)) scenario[State] {
	s.decide = d
	return s
}

func (s scenario[State]) then(t *testing.T, expected ...domain.Event) {
	t.Helper()
	events, err := s.decide(s.state)
	require.NoError(t, err)
	require.Equal(t, expected, events)
}

func (s scenario[State]) refused(t *testing.T, expected error) {
	t.Helper()
	events, err := s.decide(s.state)
	require.ErrorIs(t, err, expected)
	require.Empty(t, events)
}

func fold(events []domain.Event) *domain.Conversation {
	c := domain.NewConversation()
	for _, e := range events {
		c.Evolve(e)
	}
	return c
}

// group is a group whose owner is ann.
func group(more ...domain.Event) []domain.Event {
	return append([]domain.Event{
		domain.ConversationCreated{Kind: domain.Group, Name: "crew"},
		domain.MemberAdded{UserID: ann, Role: domain.RoleOwner},
	}, more...)
}

// direct is the direct conversation of ann and bob.
func direct() []domain.Event {
	return []domain.Event{
		domain.ConversationCreated{Kind: domain.Direct},
		domain.MemberAdded{UserID: ann, Role: domain.RoleMember},
		domain.MemberAdded{UserID: bob, Role: domain.RoleMember},
	}
}

func added(id domain.ID, role domain.Role) domain.Event {
	return domain.MemberAdded{UserID: id, Role: role}
}

func removed(id domain.ID) domain.Event { return domain.MemberRemoved{UserID: id} }

func erased(id domain.ID) domain.Event { return domain.MemberErased{UserID: id} }

func roleChanged(id domain.ID, role domain.Role) domain.Event {
	return domain.MemberRoleChanged{UserID: id, Role: role}
}

// messageOf is a message that this author has sent.
func messageOf(author domain.ID) domain.Message {
	return domain.Message{
		MessageRef: domain.MessageRef{MessageID: person("a message"), MessageSeq: 7}, Author: author, Body: "hello",
	}
}

func deleted(m domain.Message) domain.Message {
	m.Deleted = true
	return m
}

func pinned(m domain.Message) domain.Message {
	m.Pinned = true
	return m
}

func create(cmd domain.CreateConversation) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) { return c.Create(cmd) }
}

func addMember(actor, user domain.ID, role domain.Role) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) {
		return c.AddMember(domain.AddMember{Actor: actor, UserID: user, Role: role})
	}
}

func removeMember(actor, user domain.ID) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) {
		return c.RemoveMember(domain.RemoveMember{Actor: actor, UserID: user})
	}
}

func send(cmd domain.SendMessage) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) { return c.SendMessage(cmd) }
}

func rename(actor domain.ID, name, topic *string) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) {
		return c.Rename(domain.RenameConversation{Actor: actor, Name: name, Topic: topic})
	}
}

func changeRole(actor, user domain.ID, role domain.Role) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) {
		return c.ChangeRole(domain.ChangeRole{Actor: actor, UserID: user, Role: role})
	}
}

func erase(user domain.ID) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) {
		return c.EraseMember(domain.EraseMember{UserID: user})
	}
}

func edit(cmd domain.EditMessage) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) { return c.EditMessage(cmd) }
}

func remove(actor domain.ID, m domain.Message) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) {
		return c.DeleteMessage(domain.DeleteMessage{Actor: actor, Message: m})
	}
}

func pin(cmd domain.PinMessage) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) { return c.PinMessage(cmd) }
}

func react(cmd domain.React) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) { return c.React(cmd) }
}

func read(actor domain.ID, seq, last int64) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) {
		return c.AdvanceRead(domain.AdvanceRead{Actor: actor, Seq: seq, LastSeq: last})
	}
}

// foldUser is the user of these events.
func foldUser(events []domain.Event) *domain.User {
	u := domain.NewUser()
	for _, e := range events {
		u.Evolve(e)
	}
	return u
}

// registered is a user who is called Ann.
func registered(more ...domain.Event) []domain.Event {
	return append([]domain.Event{domain.UserRegistered{DisplayName: "Ann"}}, more...)
}

func register(name string) userDecision {
	return func(u *domain.User) ([]domain.Event, error) {
		return u.Register(domain.RegisterUser{DisplayName: name})
	}
}

func changeProfile(cmd domain.ChangeProfile) userDecision {
	return func(u *domain.User) ([]domain.Event, error) { return u.ChangeProfile(cmd) }
}

// block asks for ann.
func block(user domain.ID, on bool) userDecision {
	return func(u *domain.User) ([]domain.Event, error) {
		return u.Block(domain.BlockUser{Actor: ann, UserID: user, On: on})
	}
}
