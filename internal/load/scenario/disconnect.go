package scenario

import (
	"context"
	"math/rand/v2"
	"time"
)

// disconnect cuts as many sockets as configured, spread over the sending. They
// are random ones among those that are not slow: only the server closes these.
// The rest is cut when sent is closed, so that the number is reached however
// short the run was.
func (r *run) disconnect(ctx context.Context, sent <-chan struct{}) {
	n, cut, sockets := r.cfg.Disconnects, &r.received.disconnects, r.received.sockets
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ended := false
	for tries := 0; int(cut.Load()) < n && tries < 1000; {
		select {
		case <-ctx.Done():
			return
		case <-sent:
			// It is not awaited any more; from now on the tries are counted.
			sent, ended = nil, true
		case <-tick.C:
		}
		due := n
		if !ended {
			due = int(r.done() * float64(n))
		} else {
			tries++
		}
		for missed := 0; int(cut.Load()) < due && missed < 10; {
			if s := sockets[rand.IntN(len(sockets))]; s.slow || !s.Disconnect() {
				missed++ // it is slow, or connecting; the next tick tries others
				continue
			}
			cut.Add(1)
		}
	}
}

// awaitPart waits until that part of the sending is done, or all of it; false
// when ctx ended first.
func (r *run) awaitPart(ctx context.Context, part float64, sent <-chan struct{}) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for r.done() < part {
		select {
		case <-ctx.Done():
			return false
		case <-sent:
			return true
		case <-tick.C:
		}
	}
	return true
}
