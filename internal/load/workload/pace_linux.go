package workload

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// sleepUntil waits until the clock shows due, to within the kernel's timer
// slack of 50 µs; it checks ctx ten times a second.
func sleepUntil(ctx context.Context, c Clock, due int64) {
	for ctx.Err() == nil {
		left := due - c.Now()
		if left <= 0 {
			return
		}
		ts := unix.NsecToTimespec(min(left, int64(100*time.Millisecond)))
		_ = unix.Nanosleep(&ts, nil) // the loop continues a sleep that a signal cut short
	}
}
