package realtime

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"ping/domain"
	"ping/internal/ephemeral"
)

// people are the users with streams on this node: how they are seen, and whom
// they do not want to see.
type people struct {
	mu sync.RWMutex
	of map[domain.ID]*person
	// changed are those whose state here has changed and was not said to others
	// yet, with the state before.
	changed map[domain.ID]ephemeral.State
	// strangers are those of whom it is not known yet whom they have blocked.
	strangers []domain.ID
	woken     chan struct{} // told of changed and strangers
}

// person is one user.
type person struct {
	streams [ephemeral.Online + 1]int32 // how many are in each state
	// blocked are those whom he has blocked, and, until known, also those of
	// whom the log has told meanwhile that he has not.
	blocked map[domain.ID]bool
	asked   bool // the log is being asked, or was
	known   bool
	// missed says that something was hidden from him because that was not known.
	missed atomic.Bool
}

func newPeople() *people {
	return &people{of: map[domain.ID]*person{}, changed: map[domain.ID]ephemeral.State{}, woken: make(chan struct{}, 1)}
}

// state is the best of the user's streams; ok is false when there are none.
func (p *person) state() (state ephemeral.State, ok bool) {
	for s := ephemeral.Online; s >= ephemeral.Offline; s-- {
		if p != nil && p.streams[s] > 0 {
			return s, true
		}
	}
	return ephemeral.Offline, false
}

// enter takes a stream in, as online.
func (ps *people) enter(s *socket) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.of[s.user]
	if p == nil {
		p = &person{}
		ps.of[s.user] = p
		ps.strangers = append(ps.strangers, s.user)
	}
	s.state = ephemeral.Online
	ps.count(s.user, p, s.state, 1)
}

// leave takes a stream out.
func (ps *people) leave(s *socket) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.of[s.user]
	ps.count(s.user, p, s.state, -1)
	if _, here := p.state(); !here {
		delete(ps.of, s.user)
	}
}

// change gives a stream another state.
func (ps *people) change(s *socket, state ephemeral.State) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.of[s.user]; p != nil && s.state != state {
		ps.count(s.user, p, s.state, -1)
		s.state = state
		ps.count(s.user, p, s.state, 1)
	}
}

// count notes a change if the user's state is another one by it; ps.mu is held.
func (ps *people) count(user domain.ID, p *person, state ephemeral.State, by int32) {
	before, was := p.state()
	p.streams[state] += by
	if after, is := p.state(); after != before || is != was {
		ps.changed[user] = before
		signal(ps.woken)
	}
}

// wakeLater wakes after a while, when something failed.
func (ps *people) wakeLater(ctx context.Context) {
	time.AfterFunc(lookEvery, func() {
		if ctx.Err() == nil {
			signal(ps.woken)
		}
	})
}

// block notes that a user has blocked another one, or not any more.
func (ps *people) block(by, who domain.ID, on bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.of[by]
	switch {
	case p == nil:
	case on || !p.known:
		if p.blocked == nil {
			p.blocked = map[domain.ID]bool{}
		}
		p.blocked[who] = on
	default:
		delete(p.blocked, who)
	}
}

// learn takes whom some users have blocked, as the log had it at some time
// since they entered: what came since then was told by block. It returns those
// from whom something was hidden until now.
func (ps *people) learn(users []domain.ID, blocked map[domain.ID][]domain.ID) (missed []domain.ID) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, user := range users {
		p := ps.of[user]
		if p == nil || p.known || !p.asked {
			continue // who has left and come back meanwhile is asked about again
		}
		if p.missed.Load() {
			missed = append(missed, user)
		}
		told := p.blocked
		p.blocked, p.known = nil, true
		for _, who := range blocked[user] {
			if _, known := told[who]; !known {
				told = set(told, who, true)
			}
		}
		for who, on := range told {
			if on {
				p.blocked = set(p.blocked, who, true)
			}
		}
	}
	return missed
}

func set(m map[domain.ID]bool, id domain.ID, value bool) map[domain.ID]bool {
	if m == nil {
		m = map[domain.ID]bool{}
	}
	m[id] = value
	return m
}

// blockedBy returns whom a user with streams here has blocked; ok is false
// while that is not known.
func (ps *people) blockedBy(user domain.ID) (blocked []domain.ID, ok bool) {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	p := ps.of[user]
	if p == nil || !p.known {
		return nil, false
	}
	for who := range p.blocked {
		blocked = append(blocked, who)
	}
	return blocked, true
}

// hides reports whether a user is not to see anything of another one. While it
// is not known, he sees nothing, and is told later that he missed something.
func (ps *people) hides(user, from domain.ID) bool {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	p := ps.of[user]
	if p != nil && !p.known {
		p.missed.Store(true)
	}
	return p == nil || !p.known || p.blocked[from]
}

// take returns those whose state has changed, and who is a stranger.
func (ps *people) take() (changed map[domain.ID]ephemeral.State, strangers []domain.ID) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	changed, strangers = ps.changed, ps.strangers
	for _, user := range strangers {
		if p := ps.of[user]; p != nil {
			p.asked = true
		}
	}
	ps.changed, ps.strangers = map[domain.ID]ephemeral.State{}, nil
	return changed, strangers
}

// put gives back what could not be done.
func (ps *people) put(changed map[domain.ID]ephemeral.State, strangers []domain.ID) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for user, before := range changed {
		if _, again := ps.changed[user]; !again {
			ps.changed[user] = before
		}
	}
	ps.strangers = append(strangers, ps.strangers...)
}

// words are what this node says of some users: of who is here that he is, and
// of who has left that he is what he was, for as long as he may come back.
func (ps *people) words(changed map[domain.ID]ephemeral.State, cfg Config) []ephemeral.Word {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	words := make([]ephemeral.Word, 0, len(changed))
	for user, before := range changed {
		w := ephemeral.Word{User: user, State: before, Life: cfg.PresenceGrace}
		if state, here := ps.of[user].state(); here {
			w.State, w.Life = state, cfg.PresenceLife
		}
		words = append(words, w)
	}
	return words
}

// all are the users who are here, as changed has them.
func (ps *people) all() map[domain.ID]ephemeral.State {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	all := make(map[domain.ID]ephemeral.State, len(ps.of))
	for user := range ps.of {
		all[user] = ephemeral.Offline
	}
	return all
}
