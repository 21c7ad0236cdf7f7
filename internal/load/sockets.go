package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"ping/internal/wait"
)

// sockets are the streams of all users of a run. They stay connected, and
// resume after every cut, until stop.
type sockets struct {
	api    *api
	counts *counts // errors of connecting, and what servers closed with
	clock  clock
	faults *faults
	all    []*socket
	reader *reader

	ctx   context.Context // of the connections; ended by stop
	end   context.CancelFunc
	wg    sync.WaitGroup
	slots chan struct{} // bounds how many connect at the same time

	// mu guards all that reading changes. It is taken once for each read.
	mu      sync.Mutex
	waiting []arrival
	looked  int64 // when waiting was last gone through
	// unprovoked are what a server may do only while something is away, to it or
	// of it: faults, unless something was.
	unprovoked []string

	storm storm
	slow  slow
	// stealths is nil in a run without them; guarded by mu.
	stealths *stealths

	latency    *histogram // end to end
	connected  atomic.Int64
	reconnects atomic.Int64
	cuts       atomic.Int64 // one by one, not by a storm
	gaps       atomic.Int64
	missed     atomic.Int64 // gaps in what is not kept
	events     atomic.Int64
	deliveries atomic.Int64 // messages
	reads      atomic.Int64
	last       atomic.Int64 // when the last message came in, not counting slow sockets
}

// newSockets makes the plan's sockets, each subscribed to the conversations that
// its user is a member of. Groups have been created by now.
func newSockets(ctx context.Context, a *api, c *counts, clock clock, f *faults, p *plan) (*sockets, error) {
	h := &sockets{api: a, counts: c, clock: clock, faults: f, latency: newHistogram(), storm: newStorm(clock), slots: make(chan struct{}, maxConnecting)}
	h.ctx, h.end = context.WithCancel(ctx)
	for i := range p.sockets() {
		u := p.users[i%len(p.users)]
		s := &socket{hub: h, user: u, subscriptions: map[string]*subscription{}, ready: make(chan struct{})}
		u.sockets = append(u.sockets, s)
		h.all = append(h.all, s)
	}
	for _, c := range p.conversations {
		for _, u := range c.members {
			for _, s := range u.sockets {
				sub := &subscription{conversation: c, socket: s, index: len(c.subscriptions)}
				s.subscriptions[c.idText] = sub
				c.subscriptions = append(c.subscriptions, sub)
			}
		}
	}
	var err error
	if h.reader, err = newReader(h); err != nil {
		h.end()
		return nil, err
	}
	h.wg.Go(h.reader.run)
	h.wg.Go(h.watch)
	return h, nil
}

// stop ends all connections and waits for all that was started.
func (h *sockets) stop() {
	h.end()
	h.reader.close()
	h.wg.Wait()
}

// cut breaks a socket's connection the way a lost network does: what is on
// its way is lost. It returns false when there is no connection to break.
func (h *sockets) cut(s *socket) bool {
	s.cutting.Store(true)
	if !s.link.hangUp() {
		s.cutting.Store(false)
		return false
	}
	return true
}

// watch hangs up on servers that have been silent for three heartbeats.
func (h *sockets) watch() {
	for wait.Sleep(h.ctx, time.Second) {
		now := h.clock.now()
		for _, s := range h.all {
			if beat := s.heartbeat.Load(); beat > 0 && now-s.heard.Load() > 3*beat && !h.rests(s) {
				s.link.hangUp()
			}
		}
	}
}

// received is called by the reader with what a read brought, the socket's
// carry in front, and returns what to do with the connection. mu is held.
func (h *sockets) received(s *socket, b []byte) next {
	now := h.clock.now()
	h.reads.Add(1)
	s.heard.Store(now)
	rest, n := s.feed(b, now)
	s.carry = append(s.carry[:0], rest...)
	if len(rest) == 0 && cap(s.carry) > 1<<16 {
		s.carry = nil
	}
	if s.woken && s.caughtUp() {
		h.kept(s)
	}
	h.settleArrivals(now)
	return n
}

// judgeUnprovoked reports what only a server from which something was away may
// do, when no call of the whole run tells of that.
func (h *sockets) judgeUnprovoked() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, what := range h.unprovoked {
		if h.counts.outages.Load() == 0 {
			h.faults.report(broken, "%s", what)
		}
	}
}
