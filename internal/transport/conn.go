package transport

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Conn is the network connection beneath a WebSocket. What is written to it is
// whole WebSocket messages: ours, and the control messages of gorilla, each in
// one Write. All of it goes through one queue.
type Conn struct {
	net.Conn
	server   *Server
	handler  Handler
	upgraded chan<- error // takes nil when the handler is open; nil afterwards

	// Used by Read alone.
	heard  time.Time // when a byte of the client came last
	pinged time.Time // when the client was pinged last; at first, when listen began
	inflow Bucket

	mu    sync.Mutex
	queue queue
	live  liveBuffer

	closing       bool        // the close message is queued: nothing may follow it
	closed        bool        // the connection is gone
	closeTimer    *time.Timer // cuts the connection when the client does not close it
	closeDeadline time.Time   // when it is cut at the latest, however slowly it reads
}

var (
	errClosed = errors.New("the connection is closed")
	errFlood  = errors.New("the client sends too much")
)

// NewConn wraps a network connection. Upgrade does so by itself.
func (s *Server) NewConn(c net.Conn, h Handler) *Conn {
	w := &Conn{Conn: c, server: s, handler: h, queue: newQueue(c), live: liveBuffer{buffering: true}}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a hint: a connection that refuses it still works
	}
	return w
}

// listen starts the heartbeat.
func (c *Conn) listen() {
	c.heard = time.Now()
	c.pinged = c.heard
	_ = c.Conn.SetReadDeadline(c.pinged.Add(c.server.cfg.Heartbeat))
}

// Read waits for what the client sends. Each heartbeat it pings the client, and
// after two heartbeats without a byte the client is gone. The deadline moves only
// when it passes, which saves a timer per read. Gorilla cannot read on after a
// deadline, so it sees only the last one.
func (c *Conn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if n > 0 {
			c.heard = time.Now()
			each := time.Second / time.Duration(c.server.cfg.BytesPerSecond)
			if !c.inflow.Take(c.heard, time.Duration(n)*each, time.Duration(c.server.cfg.ByteBurst)*each) {
				c.CloseWith(c.server.cfg.TooFast)
				return 0, errFlood
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !c.beat(time.Now()) {
			return n, err
		}
	}
}

// beat pings the client when a ping is due and moves the deadline. It returns
// false when the client is gone: silent for two heartbeats, of which it had one to
// answer a ping. A node that was paused pings first, because it has not read what
// came meanwhile.
func (c *Conn) beat(now time.Time) bool {
	heartbeat := c.server.cfg.Heartbeat
	if c.pinged.After(c.heard) { // not answered yet
		gone := c.heard.Add(2 * heartbeat)
		if answerBy := c.pinged.Add(heartbeat); answerBy.After(gone) {
			gone = answerBy
		}
		_ = c.Conn.SetReadDeadline(gone)
		return now.Before(gone)
	}
	if due := c.pinged.Add(heartbeat); now.Before(due) {
		_ = c.Conn.SetReadDeadline(due)
		return true
	}
	c.Send(ping)
	c.pinged = now
	return c.beat(now) // sets the deadline for the answer
}

// SetReadDeadline does nothing: the heartbeat in Read decides when a client is
// gone. Melody would count pongs alone, and a client that sends frames is alive.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: Write never waits, and a deadline that gorilla
// sets for a ping would hit the goroutine that waits for the client.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Write queues a control message of gorilla. It does not wait and does not keep b.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, errClosed
	}
	if c.closing {
		return len(b), nil
	}
	c.send(b)
	if len(b) > 0 && b[0] == closeOpcode {
		c.startClosing(endOfGorilla(b))
	}
	return len(b), nil
}

// Send queues messages, ahead of buffered live messages.
func (c *Conn) Send(messages []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing && !c.closed {
		c.send(messages)
	}
}

// Uncork writes what was queued since the connection was made: the answer to the
// upgrade and the first message leave in one packet.
func (c *Conn) Uncork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.queue.uncork(); len(first) > 0 && !c.closed {
		c.send(first)
	}
}

// send queues messages; c.mu is held.
func (c *Conn) send(messages []byte) { c.sendUpTo(c.server.cfg.MaxPending, messages) }

// sendUpTo queues messages and closes the socket when more than maxPending bytes
// would wait; c.mu is held. A client with an empty queue may exceed that: it has
// not been slow yet.
func (c *Conn) sendUpTo(maxPending int, messages []byte) {
	messages, err := c.queue.tryWrite(messages)
	switch {
	case err != nil:
		c.abort()
		return
	case len(messages) == 0:
		return
	}
	if waiting := c.queue.size(); waiting > 0 && waiting+len(messages) > maxPending && !c.queue.corked {
		tooSlow := c.server.cfg.TooSlow
		c.queue.append(tooSlow.message())
		c.startClosing(tooSlow.Code)
		return
	}
	c.queue.append(messages)
	if c.queue.startDraining() {
		c.server.drains.Add(1)
		go c.drain()
	}
}

// drain writes what is pending until nothing is, waiting for the client. Each
// part has a deadline of its own: slow progress is progress.
func (c *Conn) drain() {
	defer c.server.drains.Done()
	var out []byte
	for {
		c.mu.Lock()
		out = c.queue.next(out)
		c.notifyBelowLowWater()
		if len(out) == 0 || c.closed {
			c.queue.stopDraining()
			// A deadline left behind would fail the next write.
			_ = c.Conn.SetWriteDeadline(time.Time{})
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()

		_ = c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		n, err := c.Conn.Write(out[:min(len(out), sendBuffer)])
		c.mu.Lock()
		switch {
		case err != nil:
			c.abort()
		case c.closing && !c.closed && time.Now().Before(c.closeDeadline):
			c.closeTimer.Reset(c.server.cfg.CloseGrace) // it reads, and may reach the close message
		}
		c.mu.Unlock()
		out = out[n:]
	}
}

// belowLowWater reports whether few bytes are pending; c.mu is held.
func (c *Conn) belowLowWater() bool {
	return c.closed || c.closing || c.queue.size() <= c.server.cfg.MaxPending/4
}

// notifyBelowLowWater wakes WaitBelowLowWater when few bytes are pending; c.mu
// is held.
func (c *Conn) notifyBelowLowWater() {
	if c.queue.low != nil && c.belowLowWater() {
		close(c.queue.low)
		c.queue.low = nil
	}
}

// BelowLowWater reports whether WaitBelowLowWater would return at once, and
// whether the socket is closing.
func (c *Conn) BelowLowWater() (below, closing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.belowLowWater(), c.closing || c.closed
}

// WaitBelowLowWater waits until few bytes are pending.
func (c *Conn) WaitBelowLowWater(ctx context.Context) error {
	c.mu.Lock()
	if c.belowLowWater() {
		c.mu.Unlock()
		return ctx.Err()
	}
	if c.queue.low == nil {
		c.queue.low = make(chan struct{})
	}
	low := c.queue.low
	c.mu.Unlock()
	select {
	case <-low:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
