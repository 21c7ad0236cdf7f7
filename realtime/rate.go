package realtime

import (
	"time"

	"ping/internal/transport"
	"ping/realtime/protocol"
)

// takeFrame takes a frame of a client from its bucket.
func takeFrame(b *transport.Bucket, now time.Time) bool {
	const each = time.Second / protocol.FramesPerSecond
	return b.Take(now, each, protocol.FrameBurst*each)
}

// takeNews takes a change that others are told: typing, or the presence of a
// device.
func takeNews(b *transport.Bucket, now time.Time) bool {
	const each = time.Second / newsPerSecond
	return b.Take(now, each, newsBurst*each)
}
