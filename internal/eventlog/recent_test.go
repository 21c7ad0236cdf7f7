package eventlog

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRecent: whatever the order in which events arrive, however often, readers
// see each once and in order, and a gap is reported while there is one.
func TestRecent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64Range(0, 50).Draw(t, "start")
		const count = 40
		r := newRecent(0, rapid.IntRange(1, 64).Draw(t, "ring"), start)
		arrivals := rapid.SliceOfN(rapid.Int64Range(start+1, start+count), 0, 200).Draw(t, "arrivals")
		arrived := map[int64]bool{}
		reader := start
		for _, position := range arrivals {
			arrived[position] = true
			_, gap := r.add(&Event{Position: position})

			tip := start
			for arrived[tip+1] {
				tip++
			}
			require.Equal(t, tip, r.lastSeen())
			greatest := tip
			for p := range arrived {
				greatest = max(greatest, p)
			}
			require.Equal(t, greatest > tip, gap)
			after, upTo, ok := r.gap()
			require.Equal(t, gap, ok)
			if ok {
				require.Equal(t, tip, after)
				for p := after + 1; p <= upTo; p++ {
					require.False(t, arrived[p], "%d is not missing", p)
				}
			}

			low := rapid.Int64Range(start, start+count).Draw(t, "low")
			high := rapid.Int64Range(low, start+count).Draw(t, "high")
			between, ok := r.between(low, high)
			require.Equal(t, high <= tip && low+1 >= r.oldest, ok)
			for i, e := range between {
				require.Equal(t, low+1+int64(i), e.Position)
			}
			if ok {
				require.Len(t, between, int(high-low))
			}

			next := r.after(reader, 3)
			if next.evicted {
				reader = tip // this reader reads elsewhere, up to the tip
				continue
			}
			for _, e := range next.events {
				reader++
				require.Equal(t, reader, e.Position)
			}
		}
		require.LessOrEqual(t, len(r.ahead), count, "events that the tip has passed are dropped")
		for p := range r.ahead {
			require.Greater(t, p, r.tip)
		}
	})
}
