package scenario

import (
	"context"
	"sync"
	"time"

	"ping/internal/load/measure"
	"ping/internal/load/oracle"
	"ping/internal/load/wire"
	"ping/internal/wait"
)

// maxSettling bounds how long memory may go on falling. A server returns memory
// slowly, long after it was needed.
const maxSettling = time.Minute

// beforeIdle measures the servers before sockets are opened, when the memory
// that the registrations needed has been returned: else the sockets would seem
// to need that much less.
func (r *run) beforeIdle(ctx context.Context) {
	began := time.Now()
	defer r.progress.Phase("memory settling, for seconds", int64((maxSettling + r.cfg.Quiet).Seconds()),
		func() int64 { return int64(time.Since(began).Seconds()) }, nil)()
	r.figures.Idle = &measure.IdleFigures{Before: r.settledMemory(ctx)}
}

// settledMemory is the servers' memory when it no longer falls.
func (r *run) settledMemory(ctx context.Context) measure.MemoryFigure {
	settled := r.awaitMemory(ctx, maxSettling)
	m := r.memory(ctx)
	m.Falling = !settled
	return m
}

// memory is the servers' memory, from outside and as they tell it.
func (r *run) memory(ctx context.Context) measure.MemoryFigure {
	m, err := measure.Memory(ctx, r.servers, r.cfg.MetricsURLs)
	if err != nil && ctx.Err() == nil {
		r.counts.Failed(err.Error())
	}
	return m
}

// idle watches sockets that do nothing: first until the servers' memory no
// longer falls, then for the CPU that they take.
func (r *run) idle(ctx context.Context) {
	f := r.figures.Idle
	f.Opened = r.memory(ctx)
	r.sockets.Exclusive(func() {
		for _, s := range r.sockets.All() {
			s.ForgetLosses()
		}
	})
	quiet, end := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { wire.KeepCredentials(quiet, r.api, r.accounts) })
	defer renewing.Wait()
	defer end()

	n := len(r.sockets.All())
	defer r.progress.Phase("idle sockets", int64(n), r.sockets.Connected.Load, nil)()
	began := time.Now()
	f.Settled = r.settledMemory(ctx)
	f.SettledSeconds = time.Since(began).Seconds()
	f.Grown(n)

	_, before := r.servers.Own()
	began = time.Now()
	wait.Sleep(ctx, r.cfg.Quiet)
	_, after := r.servers.Own()
	f.QuietSeconds = time.Since(began).Seconds()
	if after > before { // a server that was restarted begins at 0
		f.QuietCPUPercent = float64(after-before) / measure.TicksPerSecond / f.QuietSeconds * 100
	}
}

// awaitMemory waits until the servers' memory has not fallen by a hundredth for
// as long as Quiet; false when it still fell after limit.
func (r *run) awaitMemory(ctx context.Context, limit time.Duration) (settled bool) {
	began := time.Now()
	lowest, since := int64(-1), began
	for time.Since(since) < r.cfg.Quiet {
		if time.Since(began) > limit+r.cfg.Quiet {
			return false
		}
		if resident, _ := r.servers.Own(); lowest < 0 || resident < lowest-lowest/100 {
			lowest, since = resident, time.Now()
		}
		if !wait.Sleep(ctx, min(time.Second, r.cfg.Quiet/4)) {
			return false
		}
	}
	return true
}

// judgeIdle reports the sockets that were closed while idle, though they may
// have reconnected.
func (r *run) judgeIdle() {
	r.sockets.Exclusive(func() {
		for i, s := range r.sockets.All() {
			if n := s.Losses(); n > 0 {
				r.faults.Report(oracle.ClosedIdle, "socket %d, of user %d, %d times", i, s.Account.User.Number, n)
			}
		}
	})
}
