package oracle

import (
	"math/rand/v2"
	"slices"
)

// An action reserves a message and a member before its request, and is settled
// by the outcome.

func (m *Message) find(by *Member, emoji int) int {
	return slices.IndexFunc(m.reactions, func(r reaction) bool { return r.by == by && r.emoji == emoji })
}

// ReserveReact returns a message and a member who has not reacted to it with
// the emoji.
func (l *Messages) ReserveReact(emoji int) (*Message, *Member) {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	by := l.members.find(func(*Member) bool { return true })
	return reserve(l.recent, func(m *Message) *Member {
		if m.find(by, emoji) >= 0 {
			return nil
		}
		return by
	})
}

// Reacted settles a reaction.
func (l *Messages) Reacted(m *Message, by *Member, emoji int, o Outcome) {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	if o != Refused {
		m.reactions = append(m.reactions, reaction{by, emoji, o == Unknown})
	}
	l.settle(m, by, o)
}

// ReserveUnreact returns a reaction to remove.
func (l *Messages) ReserveUnreact() (m *Message, by *Member, emoji int) {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	m, by = reserve(l.recent, func(m *Message) *Member {
		if len(m.reactions) == 0 {
			return nil
		}
		r := m.reactions[rand.IntN(len(m.reactions))]
		emoji = r.emoji
		return r.by
	})
	return m, by, emoji
}

// Unreacted settles the removal of a reaction.
func (l *Messages) Unreacted(m *Message, by *Member, emoji int, o Outcome) {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	i := m.find(by, emoji)
	switch o {
	case Done:
		m.reactions = slices.Delete(m.reactions, i, i+1)
	case Unknown:
		m.reactions[i].unknown = true
	}
	l.settle(m, by, o)
}

// ReserveEdit returns a message for its author to edit.
func (l *Messages) ReserveEdit() *Message {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	m, _ := reserve(l.recent, func(m *Message) *Member { return m.Author })
	return m
}

// Edited settles an edit; digest is that of the message with the new body.
func (l *Messages) Edited(m *Message, digest uint64, o Outcome) {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	switch o {
	case Done:
		m.edit = digest
	case Unknown:
		m.unknownEdit = digest
	}
	l.settle(m, m.Author, o)
}

// ReserveDelete returns a message for its author to delete, on which nobody acts
// now, nor will afterwards.
func (l *Messages) ReserveDelete() *Message {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	m, _ := reserve(l.recent, func(m *Message) *Member {
		if len(m.acting) > 0 {
			return nil
		}
		return m.Author
	})
	if m != nil {
		l.retire(m)
	}
	return m
}

// Deleted settles a deletion.
func (l *Messages) Deleted(m *Message, o Outcome) {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	m.deleted, m.unknownDeleted = o == Done, o == Unknown
	l.settle(m, m.Author, o)
}

// ReservePin returns a message for the owner to pin; every third time it is a
// pinned one, also an old one, to unpin.
func (l *Messages) ReservePin() *Message {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	ownerIf := func(pinned bool) func(*Message) *Member {
		return func(m *Message) *Member {
			if m.pinned != pinned {
				return nil
			}
			return l.members.Owner()
		}
	}
	l.pins++
	if l.pins%3 == 0 {
		if m, _ := reserve(l.pinned, ownerIf(true)); m != nil {
			return m
		}
	}
	m, _ := reserve(l.recent, ownerIf(false))
	return m
}

// SetPinned settles a pin or an unpin.
func (l *Messages) SetPinned(m *Message, pinned bool, o Outcome) {
	l.members.mu.Lock()
	defer l.members.mu.Unlock()
	switch {
	case o == Unknown:
		m.unknownPin = true
	case o == Done && pinned:
		m.pinned = true
		l.pinned = append(l.pinned, m)
	case o == Done:
		m.pinned = false
		l.pinned = without(l.pinned, m)
	}
	l.settle(m, l.members.Owner(), o)
}
