package domain_test

import (
	"testing"

	"pgregory.net/rapid"

	"ping/domain"
)

var everyone = []domain.ID{ann, bob, cat, dan, eve}

// talk is what a caller reads from the log before it asks for a decision: one
// message and what is said of it, folded as naively as can be.
type talk struct {
	message   domain.Message
	reactions map[reaction]bool
	marked    map[domain.ID]int64
}

type reaction struct {
	user  domain.ID
	emoji string
}

func (w *talk) evolve(actor domain.ID, e domain.Event) {
	switch e := e.(type) {
	case domain.MessageEdited:
		w.message.Body = e.Body
	case domain.MessageDeleted:
		w.message.Deleted = true
	case domain.MessagePinned:
		w.message.Pinned = true
	case domain.MessageUnpinned:
		w.message.Pinned = false
	case domain.ReactionAdded:
		w.reactions[reaction{actor, e.Emoji}] = true
	case domain.ReactionRemoved:
		delete(w.reactions, reaction{actor, e.Emoji})
	case domain.ReadAdvanced:
		w.marked[actor] = e.Seq
	}
}

// command is one that somebody asks for; its decision sees the talk as it is
// when it runs.
type command struct {
	actor  domain.ID // zero for erasing: the caller asks for it
	decide decision
	// again says that it yields nothing when it is asked for at once again.
	again bool
}

// anyCommand draws a command of anybody on anybody.
func anyCommand(t *rapid.T, w *talk) command {
	actor := rapid.SampledFrom(everyone).Draw(t, "actor")
	user := rapid.SampledFrom(everyone).Draw(t, "user")
	role := domain.Role(rapid.IntRange(int(domain.NoRole), int(domain.RoleOwner)+1).Draw(t, "role"))
	switch rapid.SampledFrom([]string{"add", "remove", "leave", "role", "rename", "erase", "create", "message", "message"}).Draw(t, "command") {
	case "add":
		return command{actor, addMember(actor, user, role), true}
	case "remove":
		return command{actor, removeMember(actor, user), actor != user}
	case "leave":
		return command{actor, removeMember(actor, actor), false}
	case "role":
		return command{actor, changeRole(actor, user, role), true}
	case "rename":
		text := rapid.Ptr(rapid.SampledFrom([]string{"", " x ", "x", "y", "a\x00"}), true)
		return command{actor, rename(actor, text.Draw(t, "name"), text.Draw(t, "topic")), true}
	case "erase":
		return command{domain.ID{}, erase(user), true}
	case "create":
		kind := rapid.SampledFrom([]domain.Kind{domain.Direct, domain.Group}).Draw(t, "kind")
		return command{actor, create(domain.CreateConversation{Actor: actor, Kind: kind, Name: "x", Members: []domain.ID{user}}), true}
	}
	return anyOnMessages(t, w, actor)
}

// anyOnMessages draws what an actor asks for about messages.
func anyOnMessages(t *rapid.T, w *talk, actor domain.ID) command {
	on, blocked := rapid.Bool().Draw(t, "on"), rapid.Bool().Draw(t, "blocked")
	switch rapid.SampledFrom([]string{"send", "read", "edit", "delete", "pin", "react"}).Draw(t, "on a message") {
	case "send":
		return command{actor, send(domain.SendMessage{Actor: actor, Body: rapid.String().Draw(t, "body"), Mentions: everyone, Blocked: blocked}), false}
	case "read":
		seq := rapid.Int64Range(-1, 9).Draw(t, "seq")
		return command{actor, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.AdvanceRead(domain.AdvanceRead{Actor: actor, Seq: seq, LastSeq: 5, Marked: w.marked[actor]})
		}, true}
	case "edit":
		body := rapid.SampledFrom([]string{"", "hello", "other"}).Draw(t, "body")
		return command{actor, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.EditMessage(domain.EditMessage{Actor: actor, Message: w.message, Body: body, Blocked: blocked})
		}, true}
	case "delete":
		return command{actor, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.DeleteMessage(domain.DeleteMessage{Actor: actor, Message: w.message})
		}, true}
	case "pin":
		return command{actor, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.PinMessage(domain.PinMessage{Actor: actor, Message: w.message, Pinned: on, Blocked: blocked})
		}, true}
	}
	emoji := rapid.SampledFrom([]string{"👍", "❤️", "x"}).Draw(t, "emoji")
	return command{actor, func(c *domain.Conversation) ([]domain.Event, error) {
		is := w.reactions[reaction{actor, emoji}]
		return c.React(domain.React{Actor: actor, Message: w.message, Emoji: emoji, On: on, Is: is, Blocked: blocked})
	}, true}
}

// TestAnyHistory runs commands of anybody on one conversation and checks,
// after each, what must hold whatever came before.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := group()
		if rapid.Bool().Draw(t, "direct") {
			history = direct()
		}
		w := &talk{
			message:   messageOf(rapid.SampledFrom(everyone).Draw(t, "author")),
			reactions: map[reaction]bool{}, marked: map[domain.ID]int64{},
		}
		begun := len(history)
		for range rapid.IntRange(1, 30).Draw(t, "commands") {
			c := fold(history)
			command := anyCommand(t, w)
			wasDeleted := w.message.Deleted
			events, err := command.decide(c)
			if err != nil && len(events) > 0 {
				t.Fatalf("a refusal came with events: %v, %v", err, events)
			}
			checkUnchanged(t, c, history)
			checkOutsiders(t, history)
			checkErased(t, history, command.actor, events)
			checkTombstone(t, wasDeleted, events)
			history = append(history, events...)
			for _, e := range events {
				w.evolve(command.actor, e)
			}
			if command.again && len(events) > 0 {
				checkRepeated(t, history, command)
			}
			checkOwner(t, history, begun)
		}
		if history[0].(domain.ConversationCreated).Kind == domain.Direct && len(fold(history).Members) != 2 {
			t.Fatal("a direct conversation lost or won a member")
		}
	})
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

// TestDirectIDIsOfThePair: the id is the same in either order, and no other pair has it.
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
