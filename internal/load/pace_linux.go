package load

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// sleepUntil waits until the run's clock shows due, to within the kernel's
// timer slack of 50 µs; ctx is looked at ten times a second.
func sleepUntil(ctx context.Context, c clock, due int64) {
	for ctx.Err() == nil {
		left := due - c.now()
		if left <= 0 {
			return
		}
		ts := unix.NsecToTimespec(min(left, int64(100*time.Millisecond)))
		_ = unix.Nanosleep(&ts, nil) // cut short by a signal, it is begun again
	}
}
