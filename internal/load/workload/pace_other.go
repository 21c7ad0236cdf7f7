//go:build !linux

package workload

import (
	"context"
	"time"

	"ping/internal/wait"
)

// sleepUntil waits until the clock shows due.
func sleepUntil(ctx context.Context, c Clock, due int64) {
	wait.Sleep(ctx, time.Duration(due-c.Now()))
}
