package domain_test

import (
	"testing"

	"ping/domain"
)

func TestPinMessage(t *testing.T) {
	crew := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember), added(dan, domain.RoleReader))
	m := messageOf(cat)
	on := func(actor domain.ID, m domain.Message) decision {
		return pin(domain.PinMessage{Actor: actor, Message: m, Pinned: true})
	}
	off := func(actor domain.ID, m domain.Message) decision {
		return pin(domain.PinMessage{Actor: actor, Message: m})
	}
	t.Run("owner and admin pin anyone's", func(t *testing.T) {
		for _, who := range []domain.ID{ann, bob} {
			given(crew...).when(on(who, m)).then(t, domain.MessagePinned{MessageRef: m.MessageRef})
			given(crew...).when(off(who, pinned(m))).then(t, domain.MessageUnpinned{MessageRef: m.MessageRef})
		}
	})
	t.Run("either of the two of a direct conversation pins", func(t *testing.T) {
		for _, who := range []domain.ID{ann, bob} {
			given(direct()...).when(on(who, messageOf(ann))).then(t, domain.MessagePinned{MessageRef: m.MessageRef})
			given(direct()...).when(off(who, pinned(messageOf(ann)))).then(t, domain.MessageUnpinned{MessageRef: m.MessageRef})
		}
	})
	t.Run("yields nothing if there is no change", func(t *testing.T) {
		given(crew...).when(on(ann, pinned(m))).then(t)
		given(crew...).when(off(ann, m)).then(t)
	})
	t.Run("refuses a member and a reader, even for their own message", func(t *testing.T) {
		given(crew...).when(on(cat, m)).refused(t, domain.ErrForbidden)
		given(crew...).when(off(cat, pinned(m))).refused(t, domain.ErrForbidden)
		given(crew...).when(on(dan, m)).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses an unknown message", func(t *testing.T) {
		given(crew...).when(on(ann, domain.Message{})).refused(t, domain.ErrMessageNotFound)
		given(crew...).when(off(ann, domain.Message{})).refused(t, domain.ErrMessageNotFound)
	})
	t.Run("refuses a tombstone", func(t *testing.T) {
		given(crew...).when(on(ann, deleted(m))).refused(t, domain.ErrMessageDeleted)
		given(crew...).when(on(ann, deleted(pinned(m)))).refused(t, domain.ErrMessageDeleted)
	})
	t.Run("yields nothing for unpinning a tombstone, which is never pinned", func(t *testing.T) {
		given(crew...).when(off(ann, deleted(pinned(m)))).then(t)
	})
	t.Run("refuses an outsider without revealing the message", func(t *testing.T) {
		given(crew...).when(on(eve, domain.Message{})).refused(t, domain.ErrConversationNotFound)
		given(crew...).when(on(eve, deleted(m))).refused(t, domain.ErrConversationNotFound)
	})
	t.Run("refuses a member without the right before it looks at the message", func(t *testing.T) {
		given(crew...).when(on(cat, domain.Message{})).refused(t, domain.ErrForbidden)
	})
}
