package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// jitter is how long to wait before trying again after n failures more than
// one: anywhere between nothing and the bound, so that clients that were cut off
// together do not come back together.
func (c Config) jitter(n int) time.Duration { return rand.N(c.bound(n) + 1) }

// bound doubles with each failure.
func (c Config) bound(n int) time.Duration {
	if n < 30 && c.FirstPause<<n < c.LongestPause {
		return c.FirstPause << n
	}
	return c.LongestPause
}

// pause waits, at least as long as the server asked for. It reports whether
// there is time left.
func (c *Client) pause(ctx context.Context, n int, atLeast time.Duration) bool {
	if !sleep(ctx, atLeast, nil) {
		return false
	}
	c.mu.Lock()
	online := c.online
	c.mu.Unlock()
	return sleep(ctx, c.cfg.jitter(n), online)
}

// sleep waits, or until it is woken. It reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
