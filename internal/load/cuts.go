package load

import (
	"context"
	"math/rand/v2"
	"time"
)

// cutAll cuts n sockets, chosen at random among those that are not slow (what
// becomes of these is the server's doing), spread over the sending: as many
// of them as progress (0 to 1) tells. What is left at the end is cut then, so
// that n are cut however short the run was; done is closed at that time.
func (h *sockets) cutAll(ctx context.Context, n int, progress func() float64, done <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ended := false
	for tries := 0; int(h.cuts.Load()) < n && tries < 1000; {
		select {
		case <-ctx.Done():
			return
		case <-done:
			// Not waited for again; from here on the tries are counted.
			done, ended = nil, true
		case <-tick.C:
		}
		due := n
		if !ended {
			due = int(progress() * float64(n))
		} else {
			tries++
		}
		for missed := 0; int(h.cuts.Load()) < due && missed < 10; {
			if s := h.all[rand.IntN(len(h.all))]; s.slow || !h.cut(s) {
				missed++ // it is slow, or connecting; the next tick tries on
				continue
			}
			h.cuts.Add(1)
		}
	}
}
