package commands

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// waiting returns how many markers wait for the window that is open.
func (g *readMarkerDebounce) waiting(key markerKey) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w := g.open[key]; w != nil {
		return w.waiting
	}
	return 0
}

// gateTest plays clients of a gate. It writes as advanceRead does: what is not
// beyond the last marker changes nothing.
type gateTest struct {
	*readMarkerDebounce
	t       *testing.T
	mu      sync.Mutex
	written []int64
	wg      sync.WaitGroup
}

var someone = markerKey{domain.ID{1}, domain.ID{2}}

func newGateTest(t *testing.T, interval time.Duration) *gateTest {
	g := &gateTest{readMarkerDebounce: newReadMarkerDebounce(interval), t: t}
	t.Cleanup(func() {
		g.wg.Wait()
		require.Eventually(t, func() bool {
			g.readMarkerDebounce.mu.Lock()
			defer g.readMarkerDebounce.mu.Unlock()
			return len(g.open) == 0
		}, 10*time.Second, time.Millisecond, "a window is left open")
	})
	return g
}

// mark leaves a marker; an error is that of a client who has gone.
func (g *gateTest) mark(ctx context.Context, seq int64) error {
	done, err := g.wait(ctx, someone, seq)
	if err != nil {
		return err
	}
	defer done()
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.written); n == 0 || g.written[n-1] < seq {
		g.written = append(g.written, seq)
	}
	return nil
}

func (g *gateTest) start(ctx context.Context, seq int64) {
	g.wg.Go(func() { _ = g.mark(ctx, seq) }) // the log of what was written says all
}

func (g *gateTest) waits(n int) {
	g.t.Helper()
	require.Eventually(g.t, func() bool { return g.waiting(someone) == n }, 10*time.Second, time.Millisecond)
}

func TestMarkerGate(t *testing.T) {
	const interval = 300 * time.Millisecond
	t.Run("the first passes at once, the greatest for all after it", func(t *testing.T) {
		g := newGateTest(t, interval)
		require.NoError(t, g.mark(t.Context(), 1))
		for seq := int64(2); seq <= 50; seq++ {
			g.start(t.Context(), seq)
		}
		g.wg.Wait()
		require.Equal(t, []int64{1, 50}, g.written)
	})
	t.Run("several that are the greatest pass, one of them first", func(t *testing.T) {
		g := newGateTest(t, interval)
		require.NoError(t, g.mark(t.Context(), 1))
		for range 20 {
			g.start(t.Context(), 9)
		}
		g.wg.Wait()
		require.Equal(t, []int64{1, 9}, g.written)
	})
	t.Run("nobody waits for who has gone", func(t *testing.T) {
		g := newGateTest(t, interval)
		require.NoError(t, g.mark(t.Context(), 1))
		ctx, cancel := context.WithCancel(t.Context())
		for seq := int64(2); seq <= 5; seq++ {
			g.start(t.Context(), seq)
		}
		g.waits(4)
		gone := make(chan error, 1)
		go func() { gone <- g.mark(ctx, 99) }()
		g.waits(5)
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled)
		g.wg.Wait()
		require.NotContains(t, g.written, int64(99))
		require.EqualValues(t, 5, g.written[len(g.written)-1], "what is left is marked nonetheless")
	})
	t.Run("who fails leaves it to the others", func(t *testing.T) {
		g := newGateTest(t, interval)
		require.NoError(t, g.mark(t.Context(), 1))
		g.wg.Go(func() {
			done, err := g.wait(t.Context(), someone, 99)
			if err == nil {
				done() // without having written
			}
		})
		g.waits(1)
		g.start(t.Context(), 3)
		g.start(t.Context(), 2)
		g.wg.Wait()
		require.EqualValues(t, 3, g.written[len(g.written)-1])
	})
	t.Run("a follower who goes while another passes is let go", func(t *testing.T) {
		g := newGateTest(t, interval)
		require.NoError(t, g.mark(t.Context(), 1))
		var leading sync.WaitGroup
		leading.Add(1)
		hold, follower := make(chan struct{}), make(chan error, 1)
		g.wg.Go(func() {
			done, err := g.wait(t.Context(), someone, 9)
			leading.Done()
			<-hold
			if err == nil {
				done()
			}
		})
		g.waits(1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { follower <- g.mark(ctx, 2) }()
		g.waits(2)
		leading.Wait()
		cancel()
		require.ErrorIs(t, <-follower, context.Canceled)
		close(hold)
	})
	t.Run("others are not kept waiting", func(t *testing.T) {
		g := newReadMarkerDebounce(time.Hour)
		for i := range byte(20) {
			_, err := g.wait(t.Context(), markerKey{domain.ID{1}, domain.ID{i}}, 1)
			require.NoError(t, err)
			_, err = g.wait(t.Context(), markerKey{domain.ID{2, i}, domain.ID{2}}, 1)
			require.NoError(t, err)
		}
	})
	t.Run("under a storm with clients that go, the greatest is written", func(t *testing.T) {
		g := newGateTest(t, time.Millisecond)
		var greatest atomic.Int64
		for worker := range int64(8) {
			g.wg.Go(func() {
				for i := range int64(100) {
					seq := i*8 + worker
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+(i*worker)%7)*time.Millisecond)
					if g.mark(ctx, seq) == nil {
						for now := greatest.Load(); now < seq && !greatest.CompareAndSwap(now, seq); now = greatest.Load() {
						}
					}
					cancel()
				}
			})
		}
		g.wg.Wait()
		require.Equal(t, greatest.Load(), g.written[len(g.written)-1])
	})
}
