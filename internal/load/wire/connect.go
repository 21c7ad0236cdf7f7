package wire

import (
	"context"
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"ping/internal/wait"
)

// MaxConnecting bounds how many sockets connect at the same time.
const MaxConnecting = 64

// Open connects all sockets and waits until each is ready; at most MaxConnecting
// at a time, so that the server is not overloaded. opened is called per ready
// socket.
func (h *Sockets) Open(ctx context.Context, opened func()) error {
	opening := make(chan struct{}, MaxConnecting)
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

// connect connects a socket, with retries until Stop.
func (h *Sockets) connect(s *Socket) {
	for h.ctx.Err() == nil {
		err := h.try(s)
		if err == nil || h.ctx.Err() != nil {
			return
		}
		h.counts.Failed("socket: " + err.Error())
		var after time.Duration
		var p *Problem
		if errors.As(err, &p) {
			after = p.after
			s.expired.Store(p.Status == fasthttp.StatusUnauthorized)
		}
		if p == nil || p.outage() {
			h.counts.Outages.Add(1)
		}
		s.Account.node.Add(1)
		if !wait.Sleep(h.ctx, h.nextWait(s, after)) {
			return
		}
	}
}

// nextWait is how long a socket waits before its next attempt.
func (h *Sockets) nextWait(s *Socket, atLeast time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return next(s.backoff, atLeast)
}

func (h *Sockets) try(s *Socket) error {
	if !h.unbound.Load() {
		select {
		case h.slots <- struct{}{}:
			defer func() { <-h.slots }()
		case <-h.ctx.Done():
			return h.ctx.Err()
		}
	}
	used := s.Account.credentials.Load()
	if s.expired.Load() {
		if err := s.Account.renew(h.ctx, h.api, used); err != nil {
			return err
		}
		used = s.Account.credentials.Load()
		s.expired.Store(false)
	}
	conn, first, err := h.dial(s, used.bearer)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil { // Stop has closed all others, and would miss this one
		conn.Close()
		return h.ctx.Err()
	}
	s.carry, s.partial = nil, nil
	s.cutting.Store(false)
	s.heard.Store(h.clock.Now())
	resumes := s.opened // add may read the first ready already
	if err := h.reader.add(s, conn, first); err != nil {
		conn.Close()
		return err
	}
	h.Connected.Add(1)
	if resumes {
		h.Reconnects.Add(1)
	}
	return nil
}

// lost is called by the reader when a connection has ended. mu is held.
func (h *Sockets) lost(s *Socket) {
	now := h.clock.Now()
	h.Connected.Add(-1)
	s.losses++
	s.Receiver.Lost(now)
	after := time.Duration(max(s.reconnect-now, 0))
	s.reconnect = 0
	if h.ctx.Err() == nil && !s.terminal {
		// Sockets that were lost together must not come back together.
		after += next(s.backoff, 0)
		h.wg.Go(func() {
			if wait.Sleep(h.ctx, after) {
				h.connect(s)
			}
		})
	}
}

// reconnectLater obeys a reconnect frame: the server closes, and the socket
// reconnects after that long. If the server has not closed by then, the socket
// does.
func (h *Sockets) reconnectLater(s *Socket, afterMS int64) {
	after := time.Duration(min(max(afterMS, 0), 60_000)) * time.Millisecond
	s.reconnect = h.clock.Now() + int64(after)
	was := s.link.generation()
	h.wg.Go(func() {
		if wait.Sleep(h.ctx, after) && s.link.generation() == was {
			s.link.hangUp()
		}
	})
}
