package domain_test

import (
	"testing"

	"ping/domain"
)

func TestAdvanceRead(t *testing.T) {
	crew := group(added(dan, domain.RoleReader))
	t.Run("anyone inside reads up to the last", func(t *testing.T) {
		given(crew...).when(read(dan, 3, 3)).then(t, domain.ReadAdvanced{Seq: 3})
		given(crew...).when(read(ann, 1, 3)).then(t, domain.ReadAdvanced{Seq: 1})
	})
	t.Run("never moves back", func(t *testing.T) {
		marked := func(seq int64) decision {
			return func(c *domain.Conversation) ([]domain.Event, error) {
				return c.AdvanceRead(domain.AdvanceRead{Actor: ann, Seq: seq, LastSeq: 9, Marked: 3})
			}
		}
		given(crew...).when(marked(2)).then(t)
		given(crew...).when(marked(3)).then(t)
		given(crew...).when(marked(4)).then(t, domain.ReadAdvanced{Seq: 4})
	})
	t.Run("works in a conversation with an erased member", func(t *testing.T) {
		given(append(direct(), erased(bob))...).when(read(ann, 1, 3)).then(t, domain.ReadAdvanced{Seq: 1})
	})
	t.Run("refuses a seq beyond the end", func(t *testing.T) {
		given(crew...).when(read(dan, 4, 3)).refused(t, domain.ErrSeqInvalid)
		given(crew...).when(read(dan, 0, 3)).refused(t, domain.ErrSeqInvalid)
	})
	t.Run("refuses someone outside or erased", func(t *testing.T) {
		given(crew...).when(read(bob, 1, 3)).refused(t, domain.ErrConversationNotFound)
		given(append(direct(), erased(bob))...).when(read(bob, 1, 3)).refused(t, domain.ErrConversationNotFound)
	})
}
