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
)

func person(name string) domain.ID { return domain.DerivedID([]byte(name)) }

// decision is what a decider of a conversation is, seen from outside.
type decision func(*domain.Conversation) ([]domain.Event, error)

// scenario reads: given(events…).when(decision).then(events…).
type scenario struct {
	conversation *domain.Conversation
	decide       decision
}

func given(events ...domain.Event) scenario { return scenario{conversation: fold(events)} }

func (s scenario) when(d decision) scenario {
	s.decide = d
	return s
}

func (s scenario) then(t *testing.T, expected ...domain.Event) {
	t.Helper()
	events, err := s.decide(s.conversation)
	require.NoError(t, err)
	require.Equal(t, expected, events)
}

func (s scenario) refused(t *testing.T, expected error) {
	t.Helper()
	events, err := s.decide(s.conversation)
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

func read(actor domain.ID, seq, last int64) decision {
	return func(c *domain.Conversation) ([]domain.Event, error) {
		return c.AdvanceRead(domain.AdvanceRead{Actor: actor, Seq: seq, LastSeq: last})
	}
}
