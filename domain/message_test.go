package domain_test

import (
	"strings"
	"testing"

	"ping/domain"
)

func TestSendMessage(t *testing.T) {
	id, first := person("message"), person("first")
	crew := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember), added(dan, domain.RoleReader))
	says := func(actor domain.ID, body string) domain.SendMessage {
		return domain.SendMessage{Actor: actor, MessageID: id, Body: body}
	}
	t.Run("members and those above send", func(t *testing.T) {
		for _, who := range []domain.ID{ann, bob, cat} {
			given(crew...).when(send(says(who, "hello"))).then(t, domain.MessageSent{MessageID: id, Body: "hello"})
		}
	})
	t.Run("keeps the body byte for byte", func(t *testing.T) {
		body := " \n hé\t👩‍👩‍👧 \u202e"
		given(crew...).when(send(says(cat, body))).then(t, domain.MessageSent{MessageID: id, Body: body})
	})
	t.Run("carries what it replies to", func(t *testing.T) {
		given(crew...).when(send(domain.SendMessage{Actor: cat, MessageID: id, Body: "yes", ReplyTo: first})).
			then(t, domain.MessageSent{MessageID: id, Body: "yes", ReplyTo: first})
	})
	t.Run("counts characters after trimming", func(t *testing.T) {
		body := "  " + strings.Repeat("ö", domain.MaxBody) + "\n"
		given(crew...).when(send(says(cat, body))).then(t, domain.MessageSent{MessageID: id, Body: body})
	})
	t.Run("works in a direct conversation", func(t *testing.T) {
		given(direct()...).when(send(says(bob, "hi"))).then(t, domain.MessageSent{MessageID: id, Body: "hi"})
	})
	t.Run("refuses a reader", func(t *testing.T) {
		given(crew...).when(send(says(dan, "hello"))).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses someone outside, removed or where nothing is", func(t *testing.T) {
		given(group()...).when(send(says(bob, "hello"))).refused(t, domain.ErrConversationNotFound)
		given(append(crew, removed(cat))...).when(send(says(cat, "hello"))).refused(t, domain.ErrConversationNotFound)
		given().when(send(says(ann, "hello"))).refused(t, domain.ErrConversationNotFound)
	})
	t.Run("says nothing of the body to someone outside", func(t *testing.T) {
		given(group()...).when(send(says(bob, ""))).refused(t, domain.ErrConversationNotFound)
	})
	t.Run("mentions members, each once and in order, without the author", func(t *testing.T) {
		given(crew...).when(send(domain.SendMessage{Actor: cat, MessageID: id, Body: "all", Mentions: []domain.ID{dan, cat, ann, dan}})).
			then(t, domain.MessageSent{MessageID: id, Body: "all", Mentions: []domain.ID{dan, ann}})
	})
	t.Run("mentions nobody who is outside, has left or was erased", func(t *testing.T) {
		given(append(crew, removed(bob))...).when(send(domain.SendMessage{Actor: cat, MessageID: id, Body: "all", Mentions: []domain.ID{eve, bob}})).
			then(t, domain.MessageSent{MessageID: id, Body: "all"})
		given(append(crew, removed(bob), erased(bob))...).when(send(domain.SendMessage{Actor: cat, MessageID: id, Body: "all", Mentions: []domain.ID{bob, ann}})).
			then(t, domain.MessageSent{MessageID: id, Body: "all", Mentions: []domain.ID{ann}})
	})
	for name, b := range badBodies {
		t.Run("refuses "+name, func(t *testing.T) { given(crew...).when(send(says(cat, b.body))).refused(t, b.err) })
	}
}

// badBodies are bodies that no message has.
var badBodies = map[string]struct {
	body string
	err  error
}{
	"an empty body":        {"", domain.ErrBodyEmpty},
	"white space alone":    {" \t\r\n\u00a0\u2003", domain.ErrBodyEmpty},
	"4,001 characters":     {strings.Repeat("ö", domain.MaxBody+1), domain.ErrBodyTooLong},
	"a NUL":                {"a\x00b", domain.ErrBodyInvalid},
	"what is not UTF-8":    {"a\xffb", domain.ErrBodyInvalid},
	"an encoded surrogate": {"a\xed\xa0\x80b", domain.ErrBodyInvalid},
}

func TestEditMessage(t *testing.T) {
	crew := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember), added(dan, domain.RoleReader))
	rewrites := func(actor domain.ID, m domain.Message, body string) decision {
		return edit(domain.EditMessage{Actor: actor, Message: m, Body: body})
	}
	edited := func(body string) domain.Event {
		return domain.MessageEdited{MessageRef: messageOf(cat).MessageRef, Body: body}
	}
	t.Run("members and those above edit their own", func(t *testing.T) {
		for _, who := range []domain.ID{ann, bob, cat} {
			given(crew...).when(rewrites(who, messageOf(who), "other")).then(t, edited("other"))
		}
	})
	t.Run("works in a direct conversation", func(t *testing.T) {
		given(direct()...).when(rewrites(bob, messageOf(bob), "other")).then(t, edited("other"))
	})
	t.Run("keeps the body byte for byte", func(t *testing.T) {
		given(crew...).when(rewrites(cat, messageOf(cat), " hello\n")).then(t, edited(" hello\n"))
	})
	t.Run("yields nothing for the same body", func(t *testing.T) {
		given(crew...).when(rewrites(cat, messageOf(cat), "hello")).then(t)
	})
	t.Run("refuses another's, also to owners and admins", func(t *testing.T) {
		for _, who := range []domain.ID{ann, bob} {
			given(crew...).when(rewrites(who, messageOf(cat), "other")).refused(t, domain.ErrForbidden)
		}
	})
	t.Run("refuses who may not write any more", func(t *testing.T) {
		given(append(crew, roleChanged(cat, domain.RoleReader))...).when(rewrites(cat, messageOf(cat), "other")).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses what is no message here", func(t *testing.T) {
		given(crew...).when(rewrites(cat, domain.Message{}, "other")).refused(t, domain.ErrMessageNotFound)
	})
	t.Run("refuses a tombstone, whatever the body", func(t *testing.T) {
		for _, body := range []string{"other", "hello", ""} {
			given(crew...).when(rewrites(cat, deleted(messageOf(cat)), body)).refused(t, domain.ErrMessageDeleted)
		}
	})
	t.Run("refuses someone outside or removed, and says nothing of the message", func(t *testing.T) {
		given(crew...).when(rewrites(eve, domain.Message{}, "")).refused(t, domain.ErrConversationNotFound)
		given(append(crew, removed(cat))...).when(rewrites(cat, messageOf(cat), "other")).refused(t, domain.ErrConversationNotFound)
	})
	for name, b := range badBodies {
		t.Run("refuses "+name, func(t *testing.T) { given(crew...).when(rewrites(cat, messageOf(cat), b.body)).refused(t, b.err) })
	}
}

func TestDeleteMessage(t *testing.T) {
	crew := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember), added(dan, domain.RoleReader))
	tombstone := domain.MessageDeleted{MessageRef: messageOf(cat).MessageRef}
	t.Run("members and those above delete their own", func(t *testing.T) {
		for _, who := range []domain.ID{ann, bob, cat} {
			given(crew...).when(remove(who, messageOf(who))).then(t, tombstone)
		}
	})
	t.Run("owner and admin delete anyone's, also the owner's and of who left", func(t *testing.T) {
		given(crew...).when(remove(ann, messageOf(cat))).then(t, tombstone)
		given(crew...).when(remove(bob, messageOf(ann))).then(t, tombstone)
		given(crew...).when(remove(bob, messageOf(eve))).then(t, tombstone)
	})
	t.Run("refuses a member deleting another's, and a reader", func(t *testing.T) {
		given(crew...).when(remove(cat, messageOf(dan))).refused(t, domain.ErrForbidden)
		given(crew...).when(remove(dan, messageOf(dan))).refused(t, domain.ErrForbidden)
	})
	t.Run("takes back one's own in a direct conversation, not the other's", func(t *testing.T) {
		given(direct()...).when(remove(bob, messageOf(bob))).then(t, tombstone)
		given(direct()...).when(remove(bob, messageOf(ann))).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses what is no message here", func(t *testing.T) {
		given(crew...).when(remove(cat, domain.Message{})).refused(t, domain.ErrMessageNotFound)
	})
	t.Run("refuses someone outside or removed, and says nothing of the message", func(t *testing.T) {
		given(crew...).when(remove(eve, domain.Message{})).refused(t, domain.ErrConversationNotFound)
		given(append(crew, removed(cat))...).when(remove(cat, messageOf(cat))).refused(t, domain.ErrConversationNotFound)
	})
}

// TestDeletionIsFinal: a message that a decision sees as deleted stays deleted. If
// another node deletes it at the same moment, the decision does not see that, and
// code that folds the log lets the deletion win.
func TestDeletionIsFinal(t *testing.T) {
	gone := deleted(pinned(messageOf(ann)))
	t.Run("refuses to edit, to pin and to react", func(t *testing.T) {
		given(group()...).when(edit(domain.EditMessage{Actor: ann, Message: gone, Body: "back"})).refused(t, domain.ErrMessageDeleted)
		given(group()...).when(pin(domain.PinMessage{Actor: ann, Message: gone, Pinned: true})).refused(t, domain.ErrMessageDeleted)
		given(group()...).when(react(domain.React{Actor: ann, Message: gone, Emoji: "👍", On: true})).refused(t, domain.ErrMessageDeleted)
	})
	t.Run("yields nothing for what the tombstone has no more", func(t *testing.T) {
		given(group()...).when(pin(domain.PinMessage{Actor: ann, Message: gone})).then(t)
		given(group()...).when(react(domain.React{Actor: ann, Message: gone, Emoji: "👍", Is: true})).then(t)
	})
	t.Run("yields nothing for deleting again", func(t *testing.T) {
		given(group()...).when(remove(ann, gone)).then(t)
	})
}
