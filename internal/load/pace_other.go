//go:build !linux

package load

import (
	"context"
	"time"

	"ping/internal/wait"
)

// sleepUntil waits until the run's clock shows due.
func sleepUntil(ctx context.Context, c clock, due int64) {
	wait.Sleep(ctx, time.Duration(due-c.now()))
}
