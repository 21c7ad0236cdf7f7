package node

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemory(t *testing.T) {
	const mb = 1 << 20
	t.Run("bounds_garbage_by_bytes_where_much_is_live", func(t *testing.T) {
		var m memory
		for live, want := range map[uint64]int{0: 400, 10 * mb: 400, 64 * mb: 400, 128 * mb: 200, 256 * mb: 100, 1024 * mb: 100} {
			percent, _ := m.step(live, 0)
			require.Equal(t, want, percent, "%d MB", live/mb)
		}
	})

	t.Run("gives_memory_back_once_a_busy_time_has_ended", func(t *testing.T) {
		var m memory
		var allocated uint64
		gaveBack := func(seconds int, each uint64) (times int) {
			for range seconds {
				allocated += each
				if _, giveBack := m.step(10*mb, allocated); giveBack {
					times++
				}
			}
			return times
		}
		require.Zero(t, gaveBack(100, 100*mb), "while it is busy")
		require.Zero(t, gaveBack(quietSeconds-1, mb))
		require.Equal(t, 1, gaveBack(1, mb))
		require.Zero(t, gaveBack(1000, mb), "there is nothing to gain any more")
		require.Zero(t, gaveBack(1, 20*mb))
		require.Equal(t, 1, gaveBack(quietSeconds, 0), "after what came little by little")
	})
}
