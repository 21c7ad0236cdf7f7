package workload

import (
	"context"
	"runtime"
	"time"
)

// Clock counts the nanoseconds of a run. They are monotonic.
type Clock struct{ zero time.Time }

// StartClock returns a clock that begins now.
func StartClock() Clock { return Clock{time.Now()} }

// Now is the time since the clock began, in nanoseconds.
func (c Clock) Now() int64 { return int64(time.Since(c.zero)) }

// At is a wall-clock time, such as a server tells, on this clock.
func (c Clock) At(wall time.Time) int64 { return int64(wall.Sub(c.zero.Round(0))) }

// Schedule is the pace of an open loop: message n is due n/Rate seconds after
// Start, whatever happened to the messages before it.
type Schedule struct {
	Clock Clock
	Start int64   // on Clock
	Rate  float64 // messages per second
	Until int64   // on Clock; 0 is without end
}

// Run calls give with the time that each message was due, at that time, until
// give returns false, the schedule is over, or ctx ends. It has a thread of its
// own because the runtime's timers are up to a millisecond late, which is as
// much as what is measured.
func (s Schedule) Run(ctx context.Context, give func(n int, due int64) bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for n := 0; ; n++ {
		due := s.Start + int64(float64(n)*1e9/s.Rate)
		if s.Until > 0 && due >= s.Until {
			return
		}
		sleepUntil(ctx, s.Clock, due)
		if ctx.Err() != nil || !give(n, due) {
			return
		}
	}
}
