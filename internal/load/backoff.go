package load

import (
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = 5 * time.Second
)

// backoff is how long to wait before attempt n+1 (n = 1 after the first):
// anywhere between nothing and a bound that doubles, so that clients cut off
// together do not come back together; but at least what the server asked for.
func backoff(n int, atLeast time.Duration) time.Duration {
	bound := backoffMost
	if n < 8 {
		bound = min(bound, backoffFirst<<(n-1))
	}
	return max(rand.N(bound), atLeast)
}
