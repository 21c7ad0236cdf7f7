package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// jitter returns a random delay before retry n, counted from 0, so that clients
// that were disconnected together do not reconnect together.
func (c Config) jitter(n int) time.Duration { return rand.N(c.bound(n) + 1) }

// bound is the maximum delay before retry n. It doubles per failure.
func (c Config) bound(n int) time.Duration {
	if n < 30 && c.MinBackoff<<n < c.MaxBackoff {
		return c.MinBackoff << n
	}
	return c.MaxBackoff
}

// backOff waits before retry n, at least as long as the server asked for, and
// then at most until the connection is open. It returns false if ctx ended.
func (c *Client) backOff(ctx context.Context, n int, atLeast time.Duration) bool {
	if !sleep(ctx, atLeast, nil) {
		return false
	}
	c.mu.Lock()
	online := c.online
	c.mu.Unlock()
	return sleep(ctx, c.cfg.jitter(n), online)
}

// sleep waits for d or until wake. It returns false if ctx ended.
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
