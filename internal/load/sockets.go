package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
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

// arrival is a message that came in before its acknowledgement did, so that
// it is not known yet when its sending began.
type arrival struct {
	slot *slot
	at   int64
}

// maxConnecting bounds how many sockets connect at the same time.
const maxConnecting = 64

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

// open connects all sockets and waits until each is ready; so many at a time
// that no server is busy with them. opened is called for each that is.
func (h *sockets) open(ctx context.Context, opened func()) error {
	opening := make(chan struct{}, maxConnecting)
	for _, s := range h.all {
		h.wg.Go(func() {
			select {
			case opening <- struct{}{}:
			case <-h.ctx.Done():
				return
			}
			h.connect(s)
			select {
			case <-s.ready:
			case <-h.ctx.Done():
			}
			<-opening
		})
	}
	for _, s := range h.all {
		select {
		case <-s.ready:
			opened()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// stop ends all connections and waits for all that was started.
func (h *sockets) stop() {
	h.end()
	h.reader.close()
	h.wg.Wait()
}

// connect connects a socket, for as long as it takes.
func (h *sockets) connect(s *socket) {
	for h.ctx.Err() == nil {
		err := h.try(s)
		if err == nil || h.ctx.Err() != nil {
			return
		}
		h.counts.failed("socket: " + err.Error())
		var after time.Duration
		var p *problem
		if errors.As(err, &p) {
			after = p.after
			s.expired.Store(p.status == fasthttp.StatusUnauthorized)
		}
		if p == nil || p.status >= 500 {
			h.counts.outages.Add(1)
		}
		s.user.node.Add(1)
		if !pause(h.ctx, backoff(int(s.vain.Add(1)), after)) {
			return
		}
	}
}

func (h *sockets) try(s *socket) error {
	if h.storm.begun.Load() == 0 { // in a storm there is no order: all come at once
		select {
		case h.slots <- struct{}{}:
			defer func() { <-h.slots }()
		case <-h.ctx.Done():
			return h.ctx.Err()
		}
	}
	used := s.user.credentials.Load()
	if s.expired.Load() {
		if err := s.user.renew(h.ctx, h.api, used); err != nil {
			return err
		}
		used = s.user.credentials.Load()
		s.expired.Store(false)
	}
	conn, first, err := h.dial(s, used.bearer)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil { // stop has closed all others, and would miss this one
		conn.Close()
		return h.ctx.Err()
	}
	s.carry, s.partial = nil, nil
	s.cutting.Store(false)
	s.heard.Store(h.clock.now())
	resumes := s.opened // add may read the first ready already
	if err := h.reader.add(s, conn, first); err != nil {
		conn.Close()
		return err
	}
	h.connected.Add(1)
	if resumes {
		h.reconnects.Add(1)
	}
	return nil
}

// lost is called by the reader when a connection is no more.
func (h *sockets) lost(s *socket) {
	h.connected.Add(-1)
	s.losses++
	s.wentDown(h.clock.now() - lostBefore)
	if s.woken {
		s.woken = false
		h.slow.cut++
	}
	after := time.Duration(max(s.comeBack-h.clock.now(), 0))
	s.comeBack = 0
	if h.ctx.Err() == nil && !s.barred {
		n := int(s.vain.Add(1))
		h.wg.Go(func() {
			// What all lost at once they do not all come back for at once.
			if pause(h.ctx, after+backoff(n, 0)) {
				h.connect(s)
			}
		})
	}
}

// reconnectLater does what a `reconnect` frame asks for: the server closes, and
// the socket comes back after that long. If the server has not closed by then,
// the socket does.
func (h *sockets) reconnectLater(s *socket, afterMS int64) {
	after := time.Duration(min(max(afterMS, 0), 60_000)) * time.Millisecond
	s.comeBack = h.clock.now() + int64(after)
	was := s.link.generation()
	h.wg.Go(func() {
		if pause(h.ctx, after) && s.link.generation() == was {
			s.link.hangUp()
		}
	})
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
	for pause(h.ctx, time.Second) {
		now := h.clock.now()
		for _, s := range h.all {
			if beat := s.heartbeat.Load(); beat > 0 && now-s.heard.Load() > 3*beat && !h.rests(s) {
				s.link.hangUp()
			}
		}
	}
}

// count counts an event that a socket received for the first time.
func (h *sockets) count(s *socket, c *conversation, e event, now int64) {
	message := string(e.name) == "message.sent"
	slot := c.markEvent(e, message, h.faults)
	h.events.Add(1)
	if !message || slot == nil {
		return
	}
	h.deliveries.Add(1)
	if s.slow { // how long it did not read is no latency
		h.slow.deliveries++
		return
	}
	h.last.Store(now)
	if start := slot.start.Load(); start != 0 {
		h.latency.record(now - start)
	} else {
		h.waiting = append(h.waiting, arrival{slot, now})
	}
}

// lookEvery is how often arrivals without a start are gone through.
const lookEvery = int64(time.Millisecond)

// settleArrivals records the arrivals whose start is known by now.
func (h *sockets) settleArrivals(now int64) {
	if len(h.waiting) == 0 || now-h.looked < lookEvery {
		return
	}
	h.looked = now
	left := h.waiting[:0]
	for _, a := range h.waiting {
		if start := a.slot.start.Load(); start != 0 {
			h.latency.record(a.at - start)
		} else {
			left = append(left, a)
		}
	}
	h.waiting = left
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

// ended names how a connection ended without a close frame.
func ended(err error) string {
	if err == nil {
		return "connection ended"
	}
	return networkCode(err)
}
