package realtime

import (
	"context"
	"errors"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// turns bounds the streams that start or replay at the same time, so that
// thousands that come at once do not keep those who send from the database and
// the processors. The others wait in the order in which they came; those for
// whom that would be long are told to come back.
type admission struct {
	free       *semaphore.Weighted
	active     atomic.Int64
	waiting    atomic.Int64
	maxWaiting int64 // that may wait
}

// errBusy says that too many wait for their turn already.
var errBusy = errors.New("too many streams wait for their turn")

func newAdmission(cfg Config) *admission {
	return &admission{free: semaphore.NewWeighted(int64(cfg.MaxStarting)), maxWaiting: int64(cfg.MaxWaiting)}
}

// take waits for a turn, unless too many do.
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

// again waits for a turn that was given up for a while, whoever else waits and
// whatever becomes of its taker: who has it gives it back.
func (t *admission) reacquire() {
	_ = t.free.Acquire(context.Background(), 1) // no end, no error
	t.active.Add(1)
}

func (t *admission) release() {
	t.active.Add(-1)
	t.free.Release(1)
}
