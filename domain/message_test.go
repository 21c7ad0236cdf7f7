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
	bodies := map[string]struct {
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
	for name, b := range bodies {
		t.Run("refuses "+name, func(t *testing.T) { given(crew...).when(send(says(cat, b.body))).refused(t, b.err) })
	}
}
