package domain_test

import (
	"testing"

	"pgregory.net/rapid"

	"ping/domain"
)

var everyone = []domain.ID{ann, bob, cat, dan, eve}

// anyCommand draws a command of anybody on anybody.
func anyCommand(t *rapid.T) decision {
	actor := rapid.SampledFrom(everyone).Draw(t, "actor")
	user := rapid.SampledFrom(everyone).Draw(t, "user")
	role := domain.Role(rapid.IntRange(int(domain.NoRole), int(domain.RoleOwner)+1).Draw(t, "role"))
	switch rapid.SampledFrom([]string{"add", "remove", "leave", "send", "read", "create"}).Draw(t, "command") {
	case "add":
		return addMember(actor, user, role)
	case "remove":
		return removeMember(actor, user)
	case "leave":
		return removeMember(actor, actor)
	case "send":
		return send(domain.SendMessage{Actor: actor, Body: rapid.String().Draw(t, "body")})
	case "read":
		return read(actor, rapid.Int64Range(-1, 9).Draw(t, "seq"), 5)
	}
	kind := rapid.SampledFrom([]domain.Kind{domain.Direct, domain.Group}).Draw(t, "kind")
	return create(domain.CreateConversation{Actor: actor, Kind: kind, Name: "x", Members: []domain.ID{user}})
}

// TestAnyHistory runs commands of anybody on one conversation and checks,
// after each, what must hold whatever came before.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := group()
		if rapid.Bool().Draw(t, "direct") {
			history = direct()
		}
		begun := len(history)
		for range rapid.IntRange(1, 30).Draw(t, "commands") {
			c := fold(history)
			command := anyCommand(t)
			events, err := command(c)
			if err != nil && len(events) > 0 {
				t.Fatalf("a refusal came with events: %v, %v", err, events)
			}
			checkUnchanged(t, c, history)
			checkOutsiders(t, c)
			history = append(history, events...)
			checkOwner(t, history, begun)
		}
		if history[0].(domain.ConversationCreated).Kind == domain.Direct && len(fold(history).Members) != 2 {
			t.Fatal("a direct conversation lost or won a member")
		}
	})
}

// checkUnchanged: a decision leaves the state alone, so that it may run again.
func checkUnchanged(t *rapid.T, c *domain.Conversation, history []domain.Event) {
	fresh := fold(history)
	if len(fresh.Members) != len(c.Members) || fresh.Kind != c.Kind {
		t.Fatal("a decision changed the state")
	}
	for id, m := range fresh.Members {
		if c.Members[id] != m {
			t.Fatal("a decision changed a member")
		}
	}
}

// checkOutsiders: who is not in, learns nothing and does nothing.
func checkOutsiders(t *rapid.T, c *domain.Conversation) {
	for _, id := range everyone {
		if _, in := c.Members[id]; in {
			continue
		}
		for _, d := range []decision{
			send(domain.SendMessage{Actor: id, Body: "hello"}), read(id, 1, 1), removeMember(id, id), addMember(id, id, domain.RoleMember),
		} {
			if _, err := d(c); err != domain.ErrConversationNotFound {
				t.Fatalf("someone outside got %v", err)
			}
		}
	}
}

// checkOwner: a group with members has an owner, at every version after its
// creation.
func checkOwner(t *rapid.T, history []domain.Event, begun int) {
	for n := begun; n <= len(history); n++ {
		c := fold(history[:n])
		if c.Kind != domain.Group || len(c.Members) == 0 {
			continue
		}
		owners := 0
		for _, m := range c.Members {
			if m.Role == domain.RoleOwner {
				owners++
			}
		}
		if owners == 0 {
			t.Fatalf("no owner after %v", history[:n])
		}
	}
}

// TestRepeating: what was done once and is asked again, yields nothing.
func TestRepeating(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.SampledFrom(everyone[1:]).Draw(t, "user")
		role := rapid.SampledFrom([]domain.Role{domain.RoleReader, domain.RoleMember, domain.RoleAdmin}).Draw(t, "role")
		repeat(t, nil, create(domain.CreateConversation{Actor: ann, Kind: domain.Group, Name: "crew", Members: []domain.ID{user}}))
		repeat(t, nil, create(domain.CreateConversation{Actor: ann, Kind: domain.Direct, Members: []domain.ID{user}}))
		repeat(t, group(), addMember(ann, user, role))
		repeat(t, group(added(user, role)), removeMember(ann, user))
	})
}

func repeat(t *rapid.T, history []domain.Event, d decision) {
	once, err := d(fold(history))
	if err != nil || len(once) == 0 {
		t.Fatalf("the first time: %v, %v", once, err)
	}
	if again, err := d(fold(append(history, once...))); err != nil || len(again) > 0 {
		t.Fatalf("the second time: %v, %v", again, err)
	}
}

// TestDirectIDIsOfThePair: whoever begins, and of nobody else.
func TestDirectIDIsOfThePair(t *testing.T) {
	id := rapid.Custom(func(t *rapid.T) (id domain.ID) {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		return id
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := id.Draw(t, "a"), id.Draw(t, "b"), id.Draw(t, "c")
		if domain.DirectID(a, b) != domain.DirectID(b, a) {
			t.Fatal("the order matters")
		}
		if c != b && c != a && (domain.DirectID(a, b) == domain.DirectID(a, c) || domain.DirectID(a, b) == domain.DirectID(c, b)) {
			t.Fatal("two pairs share a conversation")
		}
	})
}
