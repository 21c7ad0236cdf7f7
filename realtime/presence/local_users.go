package presence

import (
	"sync"
	"sync/atomic"

	"ping/domain"
	"ping/internal/ephemeral"
)

// LocalUsers are the users with sockets on this node. It is safe for concurrent
// use.
type LocalUsers struct {
	mu    sync.RWMutex
	users map[domain.ID]*localUser
	// changed has the users whose state on this node has changed and is not
	// published yet, with the state before.
	changed map[domain.ID]ephemeral.State
	// unresolved are users whose block list is not loaded yet.
	unresolved []domain.ID
	woken      chan struct{} // notified of changed and unresolved users
}

type localUser struct {
	devices [ephemeral.Online + 1]int32 // number of devices per state
	blocklist
}

// Device is one socket of a user. It has a state from Enter to Leave.
type Device struct {
	User  domain.ID
	state ephemeral.State // guarded by LocalUsers
}

// blocklist has the users that a user has blocked.
type blocklist struct {
	// blocked also has, until loaded, users that the log says were unblocked
	// meanwhile, as false.
	blocked map[domain.ID]bool
	loading bool // the log is being read, or was
	loaded  bool
	// missed says that something was hidden because the list was not loaded.
	missed atomic.Bool
}

// NewLocalUsers makes an empty set.
func NewLocalUsers() *LocalUsers {
	return &LocalUsers{users: map[domain.ID]*localUser{}, changed: map[domain.ID]ephemeral.State{}, woken: make(chan struct{}, 1)}
}

// state is the highest state of the user's devices; ok is false when there are
// none.
func (u *localUser) state() (state ephemeral.State, ok bool) {
	for s := ephemeral.Online; s >= ephemeral.Offline; s-- {
		if u != nil && u.devices[s] > 0 {
			return s, true
		}
	}
	return ephemeral.Offline, false
}

// Enter adds a device, as online.
func (l *LocalUsers) Enter(d *Device) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.users[d.User]
	if u == nil {
		u = &localUser{}
		l.users[d.User] = u
		l.unresolved = append(l.unresolved, d.User)
	}
	d.state = ephemeral.Online
	l.count(d.User, u, d.state, 1)
}

// Leave removes a device.
func (l *LocalUsers) Leave(d *Device) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.users[d.User]
	l.count(d.User, u, d.state, -1)
	if _, here := u.state(); !here {
		delete(l.users, d.User)
	}
}

// SetState changes the state of a device.
func (l *LocalUsers) SetState(d *Device, state ephemeral.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.users[d.User]; u != nil && d.state != state {
		l.count(d.User, u, d.state, -1)
		d.state = state
		l.count(d.User, u, d.state, 1)
	}
}

// count adds to a state's devices and notes whether that changed the user's
// state; l.mu is held.
func (l *LocalUsers) count(user domain.ID, u *localUser, state ephemeral.State, by int32) {
	before, was := u.state()
	u.devices[state] += by
	if after, is := u.state(); after != before || is != was {
		l.changed[user] = before
		l.wake()
	}
}

// takeChanges returns the users whose state has changed and those whose block list
// is to be loaded, and forgets them.
func (l *LocalUsers) takeChanges() (changed map[domain.ID]ephemeral.State, unresolved []domain.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed, unresolved = l.changed, l.unresolved
	for _, user := range unresolved {
		if u := l.users[user]; u != nil {
			u.loading = true
		}
	}
	l.changed, l.unresolved = map[domain.ID]ephemeral.State{}, nil
	return changed, unresolved
}

// returnChanges takes back what takeChanges returned and could not be handled.
func (l *LocalUsers) returnChanges(changed map[domain.ID]ephemeral.State, unresolved []domain.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for user, before := range changed {
		if _, newer := l.changed[user]; !newer {
			l.changed[user] = before
		}
	}
	l.unresolved = append(unresolved, l.unresolved...)
}

// wake notifies the service of changes.
func (l *LocalUsers) wake() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// leases returns the presence leases to renew. A user who just left keeps the
// state before for cfg.Grace.
func (l *LocalUsers) leases(changed map[domain.ID]ephemeral.State, cfg Config) []ephemeral.Lease {
	l.mu.RLock()
	defer l.mu.RUnlock()
	leases := make([]ephemeral.Lease, 0, len(changed))
	for user, before := range changed {
		lease := ephemeral.Lease{User: user, State: before, Life: cfg.Grace}
		if state, here := l.users[user].state(); here {
			lease.State, lease.Life = state, cfg.Life
		}
		leases = append(leases, lease)
	}
	return leases
}

// all returns all local users, in the form of takeChanges.
func (l *LocalUsers) all() map[domain.ID]ephemeral.State {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make(map[domain.ID]ephemeral.State, len(l.users))
	for user := range l.users {
		all[user] = ephemeral.Offline
	}
	return all
}
