//go:build !linux

package load

import (
	"context"
	"time"

	"ping/internal/pause"
)

// sleepUntil waits until the run's clock shows due.
func sleepUntil(ctx context.Context, c clock, due int64) {
	pause.For(ctx, time.Duration(due-c.now()))
}
