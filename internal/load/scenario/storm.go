package scenario

import (
	"context"
	"sync/atomic"
	"time"

	"ping/internal/load/measure"
	"ping/internal/load/oracle"
	"ping/internal/load/workload"
)

// storm is the moment at which all sockets lose their connections, and what
// follows until the last of them has resumed.
type storm struct {
	clock   workload.Clock
	begun   atomic.Int64  // when all were cut; 0 before
	ended   atomic.Int64  // when the last had resumed; 0 before
	over    chan struct{} // closed then
	sockets int64
	waiting int // how many have not resumed; used under wire.Sockets.Exclusive

	before, within *measure.Histogram // acknowledgements
	down           *measure.Histogram // from the cut until a socket has resumed
}

func newStorm(clock workload.Clock) *storm {
	return &storm{clock: clock, over: make(chan struct{}),
		before: measure.NewHistogram(), within: measure.NewHistogram(), down: measure.NewHistogram()}
}

// stormAt is how much of the sending is done when the storm comes.
const stormAt = 0.5

// stormLimit is how long after the storm a socket may be down. A server that
// says to come back later spreads that over some seconds.
const stormLimit = time.Minute

// cutAtOnce cuts all sockets in the middle of the sending, or when sent is
// closed, if that is sooner. It returns when all have resumed, and reports those
// that have not within the time given.
func (r *run) cutAtOnce(ctx context.Context, sent <-chan struct{}, within time.Duration) {
	if !r.awaitPart(ctx, stormAt, sent) {
		return
	}
	r.cutAll()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-r.received.storm.over:
	case <-timer.C:
		r.sockets.Exclusive(func() {
			for _, s := range r.received.sockets {
				if s.stormed {
					s.record.Report(oracle.Broken, "the socket has not resumed within %s of the storm", within)
				}
			}
		})
	}
}

// cutAll cuts all connections. Nothing is read meanwhile, so no socket resumes
// before the last is cut.
func (r *run) cutAll() {
	r.sockets.Unbound()
	m := r.received.storm
	r.sockets.Exclusive(func() {
		m.sockets, m.waiting = int64(len(r.received.sockets)), len(r.received.sockets)
		m.begun.Store(r.clock.Now())
		for _, s := range r.received.sockets {
			s.stormed = true // also one that has lost its connection already: it resumes as the others do
			s.Disconnect()
		}
	})
}

// resumed is called for each socket that has resumed.
func (m *storm) resumed(s *receiver) {
	if !s.stormed {
		return
	}
	s.stormed = false
	now := m.clock.Now()
	m.down.Record(now - m.begun.Load())
	if m.waiting--; m.waiting == 0 {
		m.ended.Store(now)
		close(m.over)
	}
}

// acknowledged counts an acknowledgement at now of a send that began at start.
// It is within the storm if any part of its time is.
func (m *storm) acknowledged(start, now int64) {
	begun, ended := m.begun.Load(), m.ended.Load()
	switch {
	case begun == 0 || now < begun:
		m.before.Record(now - start)
	case ended == 0 || start < ended:
		m.within.Record(now - start)
	}
}

func (m *storm) figures() *measure.StormFigures {
	f := &measure.StormFigures{Sockets: m.sockets, Down: m.down.Figures(), AckBefore: m.before.Figures(), AckWithin: m.within.Figures()}
	if ended := m.ended.Load(); ended > 0 {
		f.Seconds = float64(ended-m.begun.Load()) / 1e9
	}
	return f
}
