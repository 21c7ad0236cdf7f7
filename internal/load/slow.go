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

// kernelHolds is more than the kernel takes off the server's hands for a socket
// with a small buffer: up to 4 MiB in Linux's default for what is to be sent.
const kernelHolds = 6 << 20

// slow counts what became of the sockets that stopped reading. It is guarded by
// sockets.mu.
type slow struct {
	sockets    []*socket
	bodySize   int64
	closed     int64 // that read the code for it
	cut        int64 // whose connection had ended without one that could be read
	kept       int64 // that read all that had waited for them
	deliveries int64
}

// chooseSlow takes the sockets of the last users, also of such as send: that is
// over HTTP. The first member of each group reads on, so that each group has one
// who tells how fast it is.
func (h *sockets) chooseSlow(p *plan, cfg Config) {
	h.slow.bodySize = int64(cfg.BodySize)
	first := map[*user]bool{}
	for _, c := range p.conversations {
		first[c.members[0]] = true
	}
	for i := len(h.all) - 1; i >= 0 && len(h.slow.sockets) < cfg.Slow; i-- {
		if s := h.all[i]; !first[s.user] {
			s.slow = true
			h.slow.sockets = append(h.slow.sockets, s)
		}
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
		for _, sub := range s.subscriptions {
			sub.rested = sub.conversation.acked()
		}
		h.reader.rest(s)
	}
	h.mu.Unlock()
	awaitPart(ctx, wakeAt, progress, sent)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.slow.sockets {
		s.heard.Store(h.clock.now()) // it was not the server that was silent
		s.woken = true
		for _, sub := range s.subscriptions {
			s.due += (sub.conversation.acked() - sub.rested) * h.slow.bodySize
			sub.woke = sub.conversation.lastSeq.Load()
		}
		s.cameUp(h.clock.now()) // until reading finds it closed
		if s.caughtUp() {       // nothing was sent to it
			h.kept(s)
		}
		h.reader.wake(s)
	}
}

// caughtUp reports whether a socket has received all that it had to when it read
// again.
func (s *socket) caughtUp() bool {
	for _, sub := range s.subscriptions {
		if sub.last.Load() < sub.woke && !sub.left.Load() {
			return false
		}
	}
	return true
}

// kept is called when a slow socket has caught up without being closed, which is
// wrong if that was more than the server and the kernel may hold. A connection
// after its first one has no small buffer, and is not judged. mu is held.
func (h *sockets) kept(s *socket) {
	s.woken = false
	h.slow.kept++
	if s.losses == 0 && s.pending > 0 && s.due > s.pending+kernelHolds {
		h.faults.report(broken, "user %d was not closed as slow, though at least %d bytes waited for him and %d may", s.user.number, s.due-kernelHolds, s.pending)
	}
}

// acked is how many messages have been acknowledged.
func (c *conversation) acked() (n int64) {
	for _, l := range c.lines {
		l.mu.Lock()
		n += int64(len(l.acks))
		l.mu.Unlock()
	}
	return n
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
	Kept    int64 `json:"kept"`   // which read all that had waited
}

func (h *sockets) slowFigures() *SlowFigures {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &SlowFigures{Sockets: int64(len(h.slow.sockets)), Closed: h.slow.closed, Cut: h.slow.cut, Kept: h.slow.kept}
}
