package realtime

import (
	"slices"
	"sync"

	"ping/domain"
)

// users finds the sockets that a user has on this node.
type users struct {
	mu      sync.RWMutex
	sockets map[domain.ID][]*socket
	count   int
}

func (u *users) add(s *socket) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sockets[s.user] = append(u.sockets[s.user], s)
	u.count++
}

func (u *users) remove(s *socket) {
	u.mu.Lock()
	defer u.mu.Unlock()
	sockets := u.sockets[s.user]
	i := slices.Index(sockets, s)
	if i < 0 {
		return
	}
	u.count--
	if len(sockets) == 1 {
		delete(u.sockets, s.user)
		return
	}
	// A copy: each reads a list outside the lock.
	u.sockets[s.user] = slices.Concat(sockets[:i], sockets[i+1:])
}

// each calls do for every socket of a user.
func (u *users) each(user domain.ID, do func(*socket)) {
	u.mu.RLock()
	sockets := u.sockets[user]
	u.mu.RUnlock()
	for _, s := range sockets {
		do(s)
	}
}

// all returns every socket of this node.
func (u *users) all() []*socket {
	u.mu.RLock()
	defer u.mu.RUnlock()
	all := make([]*socket, 0, u.count)
	for _, sockets := range u.sockets {
		all = append(all, sockets...)
	}
	return all
}
