package realtime

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFrameRate(t *testing.T) {
	var b bucket
	now := time.Now()
	taken := func(tries int) (n int) {
		for range tries {
			if b.takeFrame(now) {
				n++
			}
		}
		return n
	}
	require.Equal(t, frameBurst, taken(10*frameBurst), "a burst at once")
	require.Zero(t, taken(1000), "and no more")
	now = now.Add(time.Second / framesPerSecond)
	require.Equal(t, 1, taken(1000), "refusals cost nothing")
	now = now.Add(time.Second)
	require.Equal(t, framesPerSecond, taken(1000))
	now = now.Add(time.Hour)
	require.Equal(t, frameBurst, taken(1000), "a long silence earns no more than the burst")
}

// TestByteRate: what frames may take is always within it.
func TestByteRate(t *testing.T) {
	var frames, bytes bucket
	now := time.Now()
	const header = 8
	for range 10_000 {
		if frames.takeFrame(now) {
			require.True(t, bytes.takeBytes(now, maxFrame+header))
		}
		now = now.Add(time.Millisecond)
	}
	require.True(t, bytes.takeBytes(now.Add(time.Minute), maxMessage+header), "one that is refused for its size is read")
	require.False(t, bytes.takeBytes(now, byteBurst))
}
