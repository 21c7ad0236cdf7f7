package presence

import "ping/domain"

// SetBlocked notes an event of the log: a user has blocked another user, or
// unblocked them.
func (l *LocalUsers) SetBlocked(by, other domain.ID, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.users[by]
	switch {
	case u == nil:
	case on || !u.loaded:
		u.set(other, on)
	default:
		delete(u.blocked, other)
	}
}

func (b *blocklist) set(other domain.ID, on bool) {
	if b.blocked == nil {
		b.blocked = map[domain.ID]bool{}
	}
	b.blocked[other] = on
}

// resolveBlocks takes the block lists of users as the log had them at some time
// after they entered; SetBlocked has applied later changes. It returns the users that
// something was hidden from until now.
func (l *LocalUsers) resolveBlocks(users []domain.ID, blocked map[domain.ID][]domain.ID) (missed []domain.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, user := range users {
		u := l.users[user]
		if u == nil || u.loaded || !u.loading {
			continue // a user who left and returned meanwhile is loaded again
		}
		if u.missed.Load() {
			missed = append(missed, user)
		}
		noted := u.blocked
		u.blocked, u.loaded = nil, true
		for _, other := range blocked[user] {
			if _, newer := noted[other]; !newer {
				u.set(other, true)
			}
		}
		for other, on := range noted {
			if on {
				u.set(other, true)
			}
		}
	}
	return missed
}

// BlockedBy returns the users that a local user has blocked; ok is false until the list
// is loaded.
func (l *LocalUsers) BlockedBy(user domain.ID) (blocked []domain.ID, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	u := l.users[user]
	if u == nil || !u.loaded {
		return nil, false
	}
	for other := range u.blocked {
		blocked = append(blocked, other)
	}
	return blocked, true
}

// IsHidden reports whether a user must not see the typing and presence of another
// user. Until the block list is loaded, everything is hidden, and the user is told
// later that something was missed.
func (l *LocalUsers) IsHidden(from, user domain.ID) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	u := l.users[user]
	if u != nil && !u.loaded {
		u.missed.Store(true)
	}
	return u == nil || !u.loaded || u.blocked[from]
}
