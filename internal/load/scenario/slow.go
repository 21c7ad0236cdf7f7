package scenario

import (
	"context"

	"ping/internal/load/measure"
	"ping/internal/load/workload"
)

// Slow sockets do not read between these parts of the sending.
const (
	restAt = 0.1
	wakeAt = 0.9
)

// slow counts what became of the sockets that stopped reading.
type slow struct {
	sockets    []*receiver
	closed     int64 // that read the code for it
	cut        int64 // whose connection had ended without one that could be read
	kept       int64 // that read all that had waited for them
	deliveries int64
}

// chooseSlow takes the sockets of the last users, also of users that send: they
// do that over HTTP. The first member of each group reads on, and shows how fast
// the group is.
func (r *run) chooseSlow() {
	first := map[*workload.User]bool{}
	for _, c := range r.plan.Conversations {
		first[c.Members[0]] = true
	}
	slow := &r.received.slow
	for i := len(r.received.sockets) - 1; i >= 0 && len(slow.sockets) < r.cfg.Slow; i-- {
		if s := r.received.sockets[i]; !first[s.Account.User] {
			s.slow, s.Slow = true, true
			slow.sockets = append(slow.sockets, s)
		}
	}
}

// restSlow lets the slow sockets stop reading during the sending, and continue
// before its end, or when sent is closed.
func (r *run) restSlow(ctx context.Context, sent <-chan struct{}) {
	if !r.awaitPart(ctx, restAt, sent) {
		return
	}
	slow := &r.received.slow
	r.sockets.Exclusive(func() {
		for _, s := range slow.sockets {
			s.record.StopReading(r.clock.Now())
			s.Rest()
		}
	})
	r.awaitPart(ctx, wakeAt, sent)
	r.sockets.Exclusive(func() {
		for _, s := range slow.sockets {
			s.waking = true
			s.record.ContinueReading(r.clock.Now(), int64(r.cfg.BodySize))
			if s.record.CaughtUp() { // nothing was sent to it
				slow.keep(s)
			}
			s.Continue()
		}
	})
}

// keep is called when a slow socket has caught up without being closed. A
// connection after the socket's first one has no small buffer, and is not judged.
func (m *slow) keep(s *receiver) {
	s.waking = false
	m.kept++
	if s.Losses() == 0 {
		s.record.JudgeKept(s.Pending())
	}
}

func (m *slow) figures() *measure.SlowFigures {
	return &measure.SlowFigures{Sockets: int64(len(m.sockets)), Closed: m.closed, Cut: m.cut, Kept: m.kept}
}
