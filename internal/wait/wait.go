// Package wait provides context-aware sleeping.
package wait

import (
	"context"
	"time"
)

// Sleep waits for d. It returns false when ctx ends first, or has ended already.
func Sleep(ctx context.Context, d time.Duration) bool {
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
