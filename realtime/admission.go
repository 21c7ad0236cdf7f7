package realtime

import (
	"context"
	"errors"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// admission bounds the sockets that start or replay at the same time, so that
// thousands that connect at once leave the database and the processors to commands.
// The others wait in order; beyond a number, clients are told to reconnect later.
type admission struct {
	free       *semaphore.Weighted
	active     atomic.Int64
	waiting    atomic.Int64
	maxWaiting int64
}

// errBusy says that too many sockets wait to start.
var errBusy = errors.New("too many streams wait for their turn")

func newAdmission(cfg Config) *admission {
	return &admission{free: semaphore.NewWeighted(int64(cfg.MaxStarting)), maxWaiting: int64(cfg.MaxWaiting)}
}

// acquire waits for a slot, unless too many sockets wait.
func (t *admission) acquire(ctx context.Context) error {
	if !t.free.TryAcquire(1) {
		defer t.waiting.Add(-1)
		if t.waiting.Add(1) > t.maxWaiting {
			return errBusy
		}
		if err := t.free.Acquire(ctx, 1); err != nil {
			return err
		}
	}
	t.active.Add(1)
	return nil
}

// reacquire waits for a slot after yieldSlot, without a bound and without a context:
// its caller releases it in any case.
func (t *admission) reacquire() {
	_ = t.free.Acquire(context.Background(), 1) // never fails without an end of the context
	t.active.Add(1)
}

func (t *admission) release() {
	t.active.Add(-1)
	t.free.Release(1)
}
