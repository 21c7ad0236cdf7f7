package auth

import (
	"sync"
	"time"

	"ping/domain"
)

// Ending is why a token is refused before it expires.
type Ending int

const (
	// NotEnded: the token's session goes on.
	NotEnded Ending = iota
	// SessionEnded: by a logout, or because a refresh token was used twice.
	SessionEnded
	// UserErased: the user asked to be erased; all sessions have ended.
	UserErased
)

// remembered is how long what has ended is known: longer than any token of it
// is good, also one that was being issued at that moment.
const remembered = tokenLife + 5*time.Minute

// revokedSet is what a node knows to have ended within the life of a token.
// Before that there is nothing to know: the tokens have expired.
type revokedSet struct {
	mu       sync.RWMutex
	sessions map[domain.ID]time.Time // until when it is remembered
	users    map[domain.ID]time.Time
	swept    time.Time
}

func newRevokedSet() revokedSet {
	return revokedSet{sessions: map[domain.ID]time.Time{}, users: map[domain.ID]time.Time{}}
}

// of tells what is known of a token's bearer.
func (r *revokedSet) of(c Claims) Ending {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if _, erased := r.users[c.UserID]; erased {
		return UserErased
	}
	if _, ended := r.sessions[c.SessionID]; ended {
		return SessionEnded
	}
	return NotEnded
}

// add remembers an ending from now on. It reports whether it is news.
func (r *revokedSet) add(ending Ending, id domain.ID, now time.Time) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	until := r.sessions
	if ending == UserErased {
		until = r.users
	}
	_, known := until[id]
	until[id] = now.Add(remembered)
	return !known
}

// sweepEvery is how often forget looks through all that is remembered.
const sweepEvery = time.Minute

// forget drops what cannot matter any more.
func (r *revokedSet) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.swept) < sweepEvery {
		return
	}
	r.swept = now
	for _, all := range []map[domain.ID]time.Time{r.sessions, r.users} {
		for id, until := range all {
			if now.After(until) {
				delete(all, id)
			}
		}
	}
}
