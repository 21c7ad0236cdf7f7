package wire

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"ping/internal/load/workload"
	"ping/internal/wait"
)

// Sockets are the sockets of all accounts of a run. They stay connected, and
// resume after every disconnect, until Stop.
type Sockets struct {
	api    *API
	counts *Counts // errors of connecting, and what servers closed with
	clock  workload.Clock
	all    []*Socket
	reader *reader
	// GapsMayWait retries a gap that a user may not read, because they have
	// left: they may when they are back. Set before Open.
	GapsMayWait bool

	ctx     context.Context // of the connections; ended by Stop
	end     context.CancelFunc
	wg      sync.WaitGroup
	slots   chan struct{} // bounds how many connect at the same time
	unbound atomic.Bool   // nothing does any more

	// mu guards all that reading changes. It is taken once per read.
	mu sync.Mutex

	Connected  atomic.Int64
	Reconnects atomic.Int64
	Gaps       atomic.Int64
	Reads      atomic.Int64
}

// NewSockets makes n sockets; socket i is of account i modulo their number. Each
// needs a Receiver before Open.
func NewSockets(ctx context.Context, api *API, c *Counts, clock workload.Clock, accounts []*Account, n int) (*Sockets, error) {
	h := &Sockets{api: api, counts: c, clock: clock, slots: make(chan struct{}, MaxConnecting)}
	h.ctx, h.end = context.WithCancel(ctx)
	for i := range n {
		a := accounts[i%len(accounts)]
		s := &Socket{Account: a, hub: h, ready: make(chan struct{}), backoff: newBackoff()}
		a.sockets = append(a.sockets, s)
		h.all = append(h.all, s)
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

// All are the sockets.
func (h *Sockets) All() []*Socket { return h.all }

// Stop ends all connections and waits for all goroutines.
func (h *Sockets) Stop() {
	h.end()
	h.reader.close()
	h.wg.Wait()
}

// Exclusive runs f while nothing is read.
func (h *Sockets) Exclusive(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// Unbound lets any number of sockets connect at the same time from now on.
func (h *Sockets) Unbound() { h.unbound.Store(true) }

// watch hangs up on servers that have been silent for three heartbeats.
func (h *Sockets) watch() {
	for wait.Sleep(h.ctx, time.Second) {
		now := h.clock.Now()
		for _, s := range h.all {
			if beat := s.heartbeat.Load(); beat > 0 && now-s.heard.Load() > 3*beat && !h.rests(s) {
				s.link.hangUp()
			}
		}
	}
}

// rests reports whether a socket does not read.
func (h *Sockets) rests(s *Socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.resting
}

// received is called by the reader with what a read brought, the socket's carry
// in front, and returns what to do with the connection. mu is held.
func (h *Sockets) received(s *Socket, b []byte) step {
	now := h.clock.Now()
	h.Reads.Add(1)
	s.heard.Store(now)
	rest, n := s.feed(b, now)
	s.carry = append(s.carry[:0], rest...)
	if len(rest) == 0 && cap(s.carry) > 1<<16 {
		s.carry = nil
	}
	s.Receiver.ReadDone(now)
	return n
}
