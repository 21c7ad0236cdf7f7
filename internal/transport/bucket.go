package transport

import "time"

// Bucket is a token bucket that takes 8 bytes. Its value is the time at which it
// will be full again, measured from clockStart, so that a clock that is set back
// ends no socket. The zero value is a full bucket.
type Bucket time.Duration

var clockStart = time.Now()

// Take reports whether something that costs a share of the time is within the
// rate, where burst is the time that may be spent in advance. A refusal costs
// nothing, so a client that slows down is accepted again at once.
func (b *Bucket) Take(now time.Time, cost, burst time.Duration) bool {
	at := Bucket(now.Sub(clockStart))
	full := max(*b, at) + Bucket(cost)
	if full-at > Bucket(burst) {
		return false
	}
	*b = full
	return true
}
