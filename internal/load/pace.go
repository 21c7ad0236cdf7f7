package load

import (
	"context"
	"runtime"
	"sync"
)

// openLoop sends on a fixed schedule: message n is due n/rate seconds after
// the start, whatever happened to those before it. It is given to a sender in
// turn, waits there for one of the sender's window, and its latency counts
// from when it was due.
func (s *sending) openLoop(ctx context.Context, wg *sync.WaitGroup, until int64) {
	dues := make([]chan int64, len(s.plan.senders))
	for i, from := range s.plan.senders {
		// A sender that lags behind must not hold up the schedule of others.
		dues[i] = make(chan int64, 1024)
		for range from.window {
			wg.Go(func() {
				c := s.api.courier(s.counts)
				var text []byte
				for due := range dues[i] {
					if ctx.Err() != nil {
						continue
					}
					s.lateness.record(s.clock.now() - due)
					text = s.next(ctx, c, from, text, due)
				}
			})
		}
	}
	wg.Go(func() {
		defer func() {
			for _, due := range dues {
				close(due)
			}
		}()
		s.schedule(ctx, dues, until)
	})
}

// schedule gives out the messages when they are due. The thread is its own
// because the runtime's timers are up to a millisecond late, which would be
// as much as what is measured.
func (s *sending) schedule(ctx context.Context, dues []chan int64, until int64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := s.begun.Load()
	for n := int64(0); ; n++ {
		due := start + int64(float64(n)*1e9/s.cfg.Rate)
		if until > 0 && due >= until {
			return
		}
		sleepUntil(ctx, s.clock, due)
		if ctx.Err() != nil || s.taken.Add(1) > s.plan.rounds() {
			return
		}
		select {
		case dues[int(n)%len(dues)] <- due:
		case <-ctx.Done():
			return
		}
	}
}
