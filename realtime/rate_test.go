package realtime

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFrameRate(t *testing.T) {
	var r frameRate
	now := time.Now()
	taken := func(tries int) (n int) {
		for range tries {
			if r.take(now) {
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
	now = now.Add(-time.Hour)
	require.Zero(t, taken(1), "a clock set back waits")
}
