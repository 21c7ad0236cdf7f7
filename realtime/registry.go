package realtime

import (
	"slices"
	"sync"

	"ping/domain"
)

// registry finds the sockets of a user on this node.
type registry struct {
	mu      sync.RWMutex
	sockets map[domain.ID][]*socket
	count   int
}

func newRegistry() *registry { return &registry{sockets: map[domain.ID][]*socket{}} }

func (r *registry) add(s *socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sockets[s.user] = append(r.sockets[s.user], s)
	r.count++
}

func (r *registry) remove(s *socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sockets := r.sockets[s.user]
	i := slices.Index(sockets, s)
	if i < 0 {
		return
	}
	r.count--
	if len(sockets) == 1 {
		delete(r.sockets, s.user)
		return
	}
	// It is a copy, because each reads a list outside the lock.
	r.sockets[s.user] = slices.Concat(sockets[:i], sockets[i+1:])
}

// each calls do for every socket of a user.
func (r *registry) each(user domain.ID, do func(*socket)) {
	r.mu.RLock()
	sockets := r.sockets[user]
	r.mu.RUnlock()
	for _, s := range sockets {
		do(s)
	}
}

// len returns the number of sockets.
func (r *registry) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.count
}

// all returns every socket of this node.
func (r *registry) all() []*socket {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*socket, 0, r.count)
	for _, sockets := range r.sockets {
		all = append(all, sockets...)
	}
	return all
}
