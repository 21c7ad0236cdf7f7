package realtime

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{cores: 1}
		waited := func(took time.Duration, writes, frames int) time.Duration {
			began := time.Now()
			p.pace(t.Context(), took, writes, frames)
			return time.Since(began)
		}
		require.Zero(t, waited(time.Millisecond, 10, 10), "a little writing is free")
		require.Equal(t, 5*time.Millisecond, waited(time.Millisecond, 10, 10), "10 ms earned at a fifth, 5 of them ahead")
		require.Equal(t, pacedMost, waited(time.Second, 10, 10), "no wait is longer")
		require.Zero(t, waited(time.Second, 10, 10*pacedFrames), "large writes need not be larger")
		time.Sleep(time.Second)
		require.Zero(t, waited(time.Millisecond, 10, 10), "what was too much is forgiven")
	})
}
