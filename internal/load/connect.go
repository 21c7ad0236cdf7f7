package load

import (
	"context"
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"ping/internal/wait"
)

// maxConnecting bounds how many sockets connect at the same time.
const maxConnecting = 64

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
		if !wait.Sleep(h.ctx, backoff(int(s.vain.Add(1)), after)) {
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
			if wait.Sleep(h.ctx, after+backoff(n, 0)) {
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
		if wait.Sleep(h.ctx, after) && s.link.generation() == was {
			s.link.hangUp()
		}
	})
}

// ended names how a connection ended without a close frame.
func ended(err error) string {
	if err == nil {
		return "connection ended"
	}
	return networkCode(err)
}
