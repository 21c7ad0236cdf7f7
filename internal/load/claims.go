package load

import (
	"math/rand/v2"
	"slices"
)

// What members do to a message is claimed before it is asked for, and settled
// in the ledger by its outcome.

func (m *message) find(by *member, emoji int) int {
	return slices.IndexFunc(m.reactions, func(r reaction) bool { return r.by == by && r.emoji == emoji })
}

// reactable returns a message and a member who has not reacted to it so.
func (l *ledger) reactable(emoji int) (*message, *member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	by := l.find(func(*member) bool { return true })
	return claim(l.recent, func(m *message) *member {
		if m.find(by, emoji) >= 0 {
			return nil
		}
		return by
	})
}

func (l *ledger) reacted(m *message, by *member, emoji int, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o != refused {
		m.reactions = append(m.reactions, reaction{by, emoji, o == unknown})
	}
	l.ended(m, by, o)
}

// reaction returns a reaction that can be taken back.
func (l *ledger) reaction() (*message, *member, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	emoji := 0
	m, by := claim(l.recent, func(m *message) *member {
		if len(m.reactions) == 0 {
			return nil
		}
		r := m.reactions[rand.IntN(len(m.reactions))]
		emoji = r.emoji
		return r.by
	})
	return m, by, emoji
}

func (l *ledger) unreacted(m *message, by *member, emoji int, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := m.find(by, emoji)
	switch o {
	case done:
		m.reactions = slices.Delete(m.reactions, i, i+1)
	case unknown:
		m.reactions[i].perhaps = true
	}
	l.ended(m, by, o)
}

// editable returns a message for its author to edit.
func (l *ledger) editable() *message {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, _ := claim(l.recent, func(m *message) *member { return m.author })
	return m
}

func (l *ledger) edited(m *message, digest uint64, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch o {
	case done:
		m.edit = digest
	case unknown:
		m.editPerhaps = digest
	}
	l.ended(m, m.author, o)
}

// deletable returns a message for its author to delete. Nobody acts on it now,
// and nobody will.
func (l *ledger) deletable() *message {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, _ := claim(l.recent, func(m *message) *member {
		if len(m.acting) > 0 {
			return nil
		}
		return m.author
	})
	if m != nil {
		l.retire(m)
	}
	return m
}

func (l *ledger) removed(m *message, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.deleted, m.deletedPerhaps = o == done, o == unknown
	l.ended(m, m.author, o)
}

// pinnable returns a message for the owner to pin; every third time it is one
// that he has pinned before, also long ago.
func (l *ledger) pinnable() *message {
	l.mu.Lock()
	defer l.mu.Unlock()
	ownerIf := func(pinned bool) func(*message) *member {
		return func(m *message) *member {
			if m.pinned != pinned {
				return nil
			}
			return l.owner()
		}
	}
	l.pins++
	if l.pins%3 == 0 {
		if m, _ := claim(l.pinned, ownerIf(true)); m != nil {
			return m
		}
	}
	m, _ := claim(l.recent, ownerIf(false))
	return m
}

func (l *ledger) pinnedIs(m *message, pinned bool, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case o == unknown:
		m.pinPerhaps = true
	case o == done && pinned:
		m.pinned = true
		l.pinned = append(l.pinned, m)
	case o == done:
		m.pinned = false
		l.pinned = without(l.pinned, m)
	}
	l.ended(m, l.owner(), o)
}
