package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// storm is the moment at which all sockets lose their connections, and what
// follows until the last of them has resumed.
type storm struct {
	clock   clock
	begun   atomic.Int64  // when all were cut; 0 before
	ended   atomic.Int64  // when the last had resumed; 0 before
	over    chan struct{} // closed then
	sockets int64
	waiting int // how many have not resumed; guarded by sockets.mu

	before, within *histogram // acknowledgements
	away           *histogram // from the cut until a socket has resumed
}

func newStorm(clock clock) storm {
	return storm{clock: clock, over: make(chan struct{}), before: newHistogram(), within: newHistogram(), away: newHistogram()}
}

// stormAt is how much of the sending is done when the storm comes.
const stormAt = 0.5

// stormMost is how long after the storm a socket may be away. A server that says
// to come back later spreads that over some seconds.
const stormMost = time.Minute

// cutAtOnce cuts all sockets in the middle of the sending, or at its end, which
// sent tells, if that is sooner. It returns when all have resumed, and reports
// those that have not within the time given.
func (h *sockets) cutAtOnce(ctx context.Context, progress func() float64, sent <-chan struct{}, within time.Duration) {
	if !awaitPart(ctx, stormAt, progress, sent) {
		return
	}
	h.breakAll()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-h.storm.over:
	case <-timer.C:
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, s := range h.all {
			if s.stormed {
				h.faults.report(broken, "user %d: his socket has not resumed within %s of the storm", s.user.number, within)
			}
		}
	}
}

// breakAll cuts all connections. Nothing is read meanwhile, so none has resumed
// before the last is cut.
func (h *sockets) breakAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.storm.sockets, h.storm.waiting = int64(len(h.all)), len(h.all)
	h.storm.begun.Store(h.clock.now())
	for _, s := range h.all {
		s.stormed = true // also one that has lost its connection already: it resumes as the others do
		h.cut(s)
	}
}

// resumed is called for each socket that has resumed. sockets.mu is held.
func (m *storm) resumed(s *socket) {
	if !s.stormed {
		return
	}
	s.stormed = false
	now := m.clock.now()
	m.away.record(now - m.begun.Load())
	if m.waiting--; m.waiting == 0 {
		m.ended.Store(now)
		close(m.over)
	}
}

// acknowledged counts an acknowledgement at now of what began at start. It is
// within the storm if any part of its time is.
func (m *storm) acknowledged(start, now int64) {
	begun, ended := m.begun.Load(), m.ended.Load()
	switch {
	case begun == 0 || now < begun:
		m.before.record(now - start)
	case ended == 0 || start < ended:
		m.within.record(now - start)
	}
}

// StormFigures are what a storm did.
type StormFigures struct {
	Sockets   int64   `json:"sockets"`
	Seconds   float64 `json:"seconds"` // from the cut until the last had resumed; 0 if it never did
	Away      Latency `json:"away"`    // from the cut until each had resumed
	AckBefore Latency `json:"ack_before"`
	AckWithin Latency `json:"ack_within"`
}

func (m *storm) figures() *StormFigures {
	f := &StormFigures{Sockets: m.sockets, Away: m.away.figures(), AckBefore: m.before.figures(), AckWithin: m.within.figures()}
	if ended := m.ended.Load(); ended > 0 {
		f.Seconds = float64(ended-m.begun.Load()) / 1e9
	}
	return f
}

func (f *StormFigures) rows(t table.Writer) {
	t.AppendRow(table.Row{"storm", fmt.Sprintf("%.2f s", f.Seconds), fmt.Sprintf("until the last of %s sockets had resumed", count(f.Sockets))})
	latencyRow(t, "ack before it", f.AckBefore, "ms")
	latencyRow(t, "ack within it", f.AckWithin, "ms")
	latencyRow(t, "sockets away", f.Away, "ms, until half, 90 %, 99 % and all that came back had resumed")
}
