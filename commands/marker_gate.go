package commands

import (
	"context"
	"sync"
	"time"

	"ping/domain"
)

// markerGate keeps someone who scrolls from writing an event a message. The
// first read marker passes at once. Those that follow within the interval wait
// for its end; then the greatest passes, and the others after it, when they
// find that there is nothing left to mark.
type markerGate struct {
	interval time.Duration
	mu       sync.Mutex
	open     map[markerKey]*markerWindow
}

type markerKey struct{ conversation, user domain.ID }

// markerWindow is an interval during which markers wait.
type markerWindow struct {
	greatest int64
	waiting  int
	ended    chan struct{} // the interval is over: the greatest may pass
	led      bool          // someone passes for all
	settled  chan struct{} // closed then
}

func newMarkerGate(interval time.Duration) *markerGate {
	if interval == 0 {
		interval = time.Second
	}
	return &markerGate{interval: interval, open: map[markerKey]*markerWindow{}}
}

// pass returns when the marker may be left, and what to call when it was.
func (g *markerGate) pass(ctx context.Context, key markerKey, seq int64) (done func(), err error) {
	g.mu.Lock()
	w := g.open[key]
	if w == nil {
		g.begin(key)
		g.mu.Unlock()
		return func() {}, nil
	}
	w.waiting++
	w.greatest = max(w.greatest, seq)
	g.mu.Unlock()
	select {
	case <-w.ended:
	case <-ctx.Done():
		g.leave(w)
		return nil, ctx.Err()
	}
	if g.leads(w, seq) {
		return sync.OnceFunc(func() { close(w.settled) }), nil
	}
	select {
	case <-w.settled:
		return func() {}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// begin opens a window; g.mu is held.
func (g *markerGate) begin(key markerKey) {
	w := &markerWindow{ended: make(chan struct{}), settled: make(chan struct{})}
	g.open[key] = w
	time.AfterFunc(g.interval, func() { g.end(key, w) })
}

// end lets those who waited go on, and opens the next window for what they do.
func (g *markerGate) end(key markerKey, w *markerWindow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(w.ended)
	if w.waiting > 0 {
		g.begin(key)
	} else {
		delete(g.open, key)
	}
}

// leads reports whether the marker is the one that passes for all.
func (g *markerGate) leads(w *markerWindow, seq int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.led || seq < w.greatest {
		return false
	}
	w.led = true
	return true
}

// leave takes back a marker whose client has gone. Nobody may wait for it.
func (g *markerGate) leave(w *markerWindow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.waiting--
	if !w.led {
		w.led = true // those who are left pass one by one
		close(w.settled)
	}
}
