package wire

import (
	"time"

	"github.com/sethvargo/go-retry"
)

const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// newBackoff waits anywhere between nothing and a bound that doubles, so that
// clients that were disconnected together do not come back together.
func newBackoff() retry.Backoff {
	return retry.WithFullJitter(retry.WithCappedDuration(maxBackoff, retry.NewExponential(minBackoff)))
}

// next is the next wait of b, but at least what the server asked for.
func next(b retry.Backoff, atLeast time.Duration) time.Duration {
	d, _ := b.Next() // it never stops
	return max(d, atLeast)
}
