package measure

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEndToEnd(t *testing.T) {
	t.Run("measures a frame that arrives before its acknowledgement", func(t *testing.T) {
		e := NewEndToEnd()
		var start atomic.Int64
		e.Record(&start, 5_000_000)
		require.Zero(t, e.Figures(6_000_000))
		start.Store(2_000_000)
		e.Settle(9_000_000)
		require.InDelta(t, 3, e.Figures(9_000_000).Max, 0.01)
	})
	t.Run("measures a frame that arrives after it", func(t *testing.T) {
		e := NewEndToEnd()
		var start atomic.Int64
		start.Store(1_000_000)
		e.Record(&start, 5_000_000)
		require.InDelta(t, 4, e.Figures(6_000_000).P50, 0.01)
	})
}
