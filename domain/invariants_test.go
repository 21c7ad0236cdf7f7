package domain_test

import (
	"errors"
	"reflect"

	"pgregory.net/rapid"

	"ping/domain"
)

// checkUnchanged: a decision leaves the state alone, so that it may run again.
func checkUnchanged(t *rapid.T, c *domain.Conversation, history []domain.Event) {
	if !reflect.DeepEqual(fold(history), c) {
		t.Fatal("a decision changed the state")
	}
}

// checkRepeated: what was done and is asked for again, yields nothing.
func checkRepeated(t *rapid.T, history []domain.Event, command command) {
	if events, err := command.decide(fold(history)); err != nil || len(events) > 0 {
		t.Fatalf("the second time: %v, %v", events, err)
	}
}

// checkOutsiders: who is not in, or was erased, learns nothing and does nothing.
func checkOutsiders(t *rapid.T, history []domain.Event) {
	c, gone := fold(history), erasedIn(history)
	for _, id := range everyone {
		if _, in := c.Members[id]; in && !gone[id] {
			continue
		}
		for _, d := range everythingOf(id) {
			if _, err := d(c); !errors.Is(err, domain.ErrConversationNotFound) {
				t.Fatalf("someone outside got %v", err)
			}
		}
	}
}

// everythingOf is one of each command that a user may ask for in a conversation
// that exists.
func everythingOf(id domain.ID) []decision {
	m := messageOf(id)
	return []decision{
		send(domain.SendMessage{Actor: id, Body: "hello"}), read(id, 1, 1), removeMember(id, id), removeMember(id, ann),
		addMember(id, id, domain.RoleMember), changeRole(id, id, domain.RoleReader), changeRole(id, ann, domain.RoleOwner),
		rename(id, new("x"), nil), edit(domain.EditMessage{Actor: id, Message: m, Body: "other"}), remove(id, m),
		pin(domain.PinMessage{Actor: id, Message: m, Pinned: true}), react(domain.React{Actor: id, Message: m, Emoji: "👍", On: true}),
	}
}

// erasedIn returns who was erased in a history.
func erasedIn(history []domain.Event) map[domain.ID]bool {
	gone := map[domain.ID]bool{}
	for _, e := range history {
		if e, ok := e.(domain.MemberErased); ok {
			gone[e.UserID] = true
		}
	}
	return gone
}

// checkErased: after an erasure, no event of the user follows, and no event adds
// them, changes their role or mentions them.
func checkErased(t *rapid.T, history []domain.Event, actor domain.ID, events []domain.Event) {
	gone := erasedIn(history)
	if gone[actor] && len(events) > 0 {
		t.Fatalf("someone erased did %v", events)
	}
	for _, e := range events {
		var about []domain.ID
		switch e := e.(type) {
		case domain.MemberAdded:
			about = []domain.ID{e.UserID}
		case domain.MemberRoleChanged:
			about = []domain.ID{e.UserID}
		case domain.MemberErased:
			about = []domain.ID{e.UserID}
		case domain.MessageSent:
			about = e.Mentions
		}
		for _, id := range about {
			if gone[id] {
				t.Fatalf("%s reached someone erased", e.Type())
			}
		}
	}
}

// checkTombstone: no event about a message follows its deletion.
func checkTombstone(t *rapid.T, deleted bool, events []domain.Event) {
	for _, e := range events {
		switch e.(type) {
		case domain.MessageEdited, domain.MessageDeleted, domain.MessagePinned, domain.MessageUnpinned, domain.ReactionAdded, domain.ReactionRemoved:
			if deleted {
				t.Fatalf("%s of a tombstone", e.Type())
			}
		}
	}
}

// checkOwner: a group with members has an owner, at every version after its
// creation. Erased members do not count.
func checkOwner(t *rapid.T, history []domain.Event, begun int) {
	for n := begun; n <= len(history); n++ {
		c, gone := fold(history[:n]), erasedIn(history[:n])
		owners, members := 0, 0
		for id, m := range c.Members {
			if gone[id] {
				continue
			}
			members++
			if m.Role == domain.RoleOwner {
				owners++
			}
		}
		if c.Kind == domain.Group && members > 0 && owners == 0 {
			t.Fatalf("no owner after %v", history[:n])
		}
	}
}
