//go:build !linux

package load

import (
	"context"
	"time"
)

// sleepUntil waits until the run's clock shows due.
func sleepUntil(ctx context.Context, c clock, due int64) {
	pause(ctx, time.Duration(due-c.now()))
}
