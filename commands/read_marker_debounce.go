package commands

import (
	"context"
	"sync"
	"time"

	"ping/domain"
)

// readMarkerDebounce prevents a client that scrolls from writing one event per
// message. The first read marker is written at once. Those that follow within the
// interval wait for its end; then the greatest is written, and the others find that
// there is nothing left to mark.
type readMarkerDebounce struct {
	interval time.Duration
	mu       sync.Mutex
	open     map[markerKey]*markerWindow
}

type markerKey struct{ conversation, user domain.ID }

// markerWindow is an interval during which markers wait.
type markerWindow struct {
	greatest int64
	waiting  int
	ended    chan struct{} // closed at the end of the interval: the greatest is written
	written  bool          // a waiter writes for all
	done     chan struct{} // closed when it has
}

func newReadMarkerDebounce(interval time.Duration) *readMarkerDebounce {
	if interval == 0 {
		interval = time.Second
	}
	return &readMarkerDebounce{interval: interval, open: map[markerKey]*markerWindow{}}
}

// wait returns when the marker may be written, and what to call afterwards.
func (g *readMarkerDebounce) wait(ctx context.Context, key markerKey, seq int64) (done func(), err error) {
	g.mu.Lock()
	w := g.open[key]
	if w == nil {
		g.startWindow(key)
		g.mu.Unlock()
		return func() {}, nil
	}
	w.waiting++
	w.greatest = max(w.greatest, seq)
	g.mu.Unlock()
	select {
	case <-w.ended:
	case <-ctx.Done():
		g.cancel(w)
		return nil, ctx.Err()
	}
	if g.isFirst(w, seq) {
		return sync.OnceFunc(func() { close(w.done) }), nil
	}
	select {
	case <-w.done:
		return func() {}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// startWindow opens a window; g.mu is held.
func (g *readMarkerDebounce) startWindow(key markerKey) {
	w := &markerWindow{ended: make(chan struct{}), done: make(chan struct{})}
	g.open[key] = w
	time.AfterFunc(g.interval, func() { g.endWindow(key, w) })
}

// endWindow releases the waiters, and opens the next window for what they write.
func (g *readMarkerDebounce) endWindow(key markerKey, w *markerWindow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(w.ended)
	if w.waiting > 0 {
		g.startWindow(key)
	} else {
		delete(g.open, key)
	}
}

// isFirst reports whether the marker is the one that is written for all.
func (g *readMarkerDebounce) isFirst(w *markerWindow, seq int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.written || seq < w.greatest {
		return false
	}
	w.written = true
	return true
}

// cancel removes a marker whose client has disconnected. No other may wait for it.
func (g *readMarkerDebounce) cancel(w *markerWindow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.waiting--
	if !w.written {
		w.written = true // the remaining waiters write one by one
		close(w.done)
	}
}
