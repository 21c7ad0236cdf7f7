package realtime

import (
	"context"
	"time"
)

// pause waits; it returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// signal wakes who waits on a channel; who has been woken and has not looked yet
// is not woken again, if the channel has no room for that.
func signal(woken chan struct{}) {
	select {
	case woken <- struct{}{}:
	default:
	}
}
