package realtime

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/transport"
	"ping/realtime/protocol"
)

func TestFrameRate(t *testing.T) {
	var b transport.Bucket
	now := time.Now()
	taken := func(tries int) (n int) {
		for range tries {
			if takeFrame(&b, now) {
				n++
			}
		}
		return n
	}
	require.Equal(t, protocol.FrameBurst, taken(10*protocol.FrameBurst), "a burst at once")
	require.Zero(t, taken(1000), "and no more")
	now = now.Add(time.Second / protocol.FramesPerSecond)
	require.Equal(t, 1, taken(1000), "refusals cost nothing")
	now = now.Add(time.Second)
	require.Equal(t, protocol.FramesPerSecond, taken(1000))
	now = now.Add(time.Hour)
	require.Equal(t, protocol.FrameBurst, taken(1000), "a long silence earns no more than the burst")
}

// takeBytes takes what transport takes for bytes that were read.
func takeBytes(b *transport.Bucket, now time.Time, n int) bool {
	const each = time.Second / protocol.BytesPerSecond
	return b.Take(now, time.Duration(n)*each, protocol.ByteBurst*each)
}

// TestByteRate checks that everything the frame rate permits is within the byte
// rate.
func TestByteRate(t *testing.T) {
	var frames, bytes transport.Bucket
	now := time.Now()
	const header = 8
	for range 10_000 {
		if takeFrame(&frames, now) {
			require.True(t, takeBytes(&bytes, now, protocol.MaxFrame+header))
		}
		now = now.Add(time.Millisecond)
	}
	require.True(t, takeBytes(&bytes, now.Add(time.Minute), protocol.MaxMessage+header), "one that is refused for its size is read")
	require.False(t, takeBytes(&bytes, now, protocol.ByteBurst))
}
