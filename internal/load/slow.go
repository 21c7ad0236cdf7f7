package load

import (
	"context"
	"syscall"
	"time"
)

// Slow sockets do not read between these parts of the sending.
const (
	restAt = 0.1
	wakeAt = 0.9
)

// slowBuffer is the receive buffer of a slow socket in bytes: little waits in
// the kernel, so the server finds out soon.
const slowBuffer = 4 << 10

// slow counts what became of the sockets that stopped reading. It is guarded by
// sockets.mu.
type slow struct {
	sockets []*socket
	closed  int64 // that read the code for it
	cut     int64 // whose connection had ended without one that could be read
}

// chooseSlow takes n sockets, those of the last users: senders come first.
func (h *sockets) chooseSlow(n int) {
	h.slow.sockets = h.all[len(h.all)-n:]
	for _, s := range h.slow.sockets {
		s.slow = true
	}
}

// smallBuffer gives a connection that is about to be made a small buffer.
func smallBuffer(_, _ string, raw syscall.RawConn) error {
	var err error
	if failed := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, slowBuffer)
	}); failed != nil {
		return failed
	}
	return err
}

// restSlow lets the slow sockets stop reading during the sending, which sent
// ends at the latest, and then read again.
func (h *sockets) restSlow(ctx context.Context, progress func() float64, sent <-chan struct{}) {
	if !awaitPart(ctx, restAt, progress, sent) {
		return
	}
	h.mu.Lock()
	for _, s := range h.slow.sockets {
		s.wentDown(h.clock.now())
		h.reader.rest(s)
	}
	h.mu.Unlock()
	awaitPart(ctx, wakeAt, progress, sent)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.slow.sockets {
		s.heard.Store(h.clock.now()) // it was not the server that was silent
		s.woken = true
		s.cameUp(h.clock.now()) // until reading finds it closed
		h.reader.wake(s)
	}
}

// awaitPart waits until so much of the sending is done, or all of it; false when
// ctx ended first.
func awaitPart(ctx context.Context, part float64, progress func() float64, sent <-chan struct{}) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for progress() < part {
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

// rests reports whether a socket does not read.
func (h *sockets) rests(s *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.resting
}

// SlowFigures are what became of the sockets that stopped reading.
type SlowFigures struct {
	Sockets int64 `json:"sockets"`
	Closed  int64 `json:"closed"` // as slow, by the server's code
	Cut     int64 `json:"cut"`    // when they read again, without a code
}

func (h *sockets) slowFigures() *SlowFigures {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &SlowFigures{Sockets: int64(len(h.slow.sockets)), Closed: h.slow.closed, Cut: h.slow.cut}
}
