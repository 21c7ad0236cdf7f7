package realtime

import (
	"errors"
	"time"
)

// bucket bounds how fast something is taken. It is when the bucket will be full
// again, so that a stream keeps 8 bytes for it: a time since clockStart, for a
// clock that is set back must not end streams.
type bucket time.Duration

var clockStart = time.Now()

// take reports whether what comes now is within the rate: each costs so much of
// the time, and most of it may be taken ahead. What is not costs nothing: who
// slows down is heard at once.
func (b *bucket) take(now time.Time, cost, most time.Duration) bool {
	at := bucket(now.Sub(clockStart))
	full := max(*b, at) + bucket(cost)
	if full-at > bucket(most) {
		return false
	}
	*b = full
	return true
}

// takeFrame takes a frame of a client.
func (b *bucket) takeFrame(now time.Time) bool {
	const each = time.Second / framesPerSecond
	return b.take(now, each, frameBurst*each)
}

// takeNews takes what is told to others: typing, or how a device is to be seen.
func (b *bucket) takeNews(now time.Time) bool {
	const each = time.Second / newsPerSecond
	return b.take(now, each, newsBurst*each)
}

// takeBytes takes what was read of a client, of whatever kind: fragments and
// pings are no frames, and a flood of them costs as much.
func (b *bucket) takeBytes(now time.Time, n int) bool {
	const each = time.Second / bytesPerSecond
	return b.take(now, time.Duration(n)*each, byteBurst*each)
}

var errFlood = errors.New("the client sends too much")
