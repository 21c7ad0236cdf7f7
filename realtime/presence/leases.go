package presence

import (
	"context"
	"errors"
	"sync"
	"time"

	"ping/domain"
	"ping/internal/ephemeral"
)

// leaseState is the state of this node's leases in Redis.
type leaseState struct {
	node string
	due  chan struct{} // notified when they are to be renewed before the next heartbeat
	mu   sync.Mutex    // one renewal at a time: an older one may not overwrite a newer one
	// since is, per shard, when Redis accepted leases again after it had not; zero
	// while it does not. Guarded by mu.
	since [ephemeral.Shards]time.Time
}

func newLeaseState(node string) *leaseState {
	l := &leaseState{node: node, due: make(chan struct{}, 1)}
	for shard := range l.since {
		l.since[shard] = time.Now().Add(-time.Hour)
	}
	return l
}

// renew renews leases and returns the users whose published state differs. It reads
// the leases under its lock, so that an older state never follows a newer one. The
// failure of one shard does not delay the others.
func (l *leaseState) renew(ctx context.Context, store *ephemeral.Store, leases func() []ephemeral.Lease) (changed []ephemeral.Presence, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for shard, some := range ephemeral.ByShard(leases(), func(lease ephemeral.Lease) domain.ID { return lease.User }) {
		if len(some) == 0 {
			continue
		}
		differ, failed := store.RenewLeases(ctx, shard, l.node, some)
		l.note(shard, failed)
		changed, err = append(changed, differ...), errors.Join(err, failed)
	}
	return changed, err
}

// note notes whether a shard accepted the leases; l.mu is held.
func (l *leaseState) note(shard int, err error) {
	switch {
	case err != nil:
		l.since[shard] = time.Time{}
	case l.since[shard].IsZero():
		l.since[shard] = time.Now()
	}
}

// trusts reports whether the leases in a shard are complete. After an outage all
// leases have expired, and each node needs a moment to renew its own.
func (l *leaseState) trusts(shard int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.since[shard].IsZero() && time.Since(l.since[shard]) > 3*pollInterval
}
