// Package pause waits, for as long as its caller is wanted.
package pause

import (
	"context"
	"time"
)

// For waits for d; it returns false when ctx ends first, or has ended.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
