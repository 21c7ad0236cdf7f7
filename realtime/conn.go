package realtime

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is the network connection beneath a WebSocket. Everything that is
// written to it, ours and gorilla's (which writes control messages only, each
// in one Write), is whole WebSocket messages and goes through one queue: what
// can be written without waiting is, in one system call; the rest is pending
// and a goroutine, which lives as long as there is any, waits for the client.
// So nobody who sends ever waits, and an idle socket has no buffer.
type conn struct {
	net.Conn
	raw        syscall.RawConn // nil when writes cannot be tried, such as under TLS
	maxPending int
	grace      time.Duration
	drains     *sync.WaitGroup // counts the goroutines that wait for clients
	metrics    *metrics
	heartbeat  time.Duration
	silent     int    // heartbeats since the client was heard; used by Read alone
	inflow     bucket // used by Read alone

	mu       sync.Mutex
	pending  []byte // not yet written
	inFlight int    // bytes that the draining goroutine is writing
	draining bool
	corked   bool          // what is written waits for uncork
	closing  bool          // the close message is queued: nothing may follow it
	closed   bool          // the connection is gone
	relieved chan struct{} // closed when pending has become small; nil while nobody waits
	cut      *time.Timer   // cuts the connection when the client does not close it
	cutBy    time.Time     // when it is cut at the latest, however slowly it reads

	// Live messages are held back while what came before them is replayed.
	holding  bool
	held     []byte
	overflow bool // held was dropped: the replay must go on further
	// Of the ephemeral lane, which no replay brings back: whether something of it
	// is held, and whether something was missed.
	heldEphemeral, missed bool
	// generation counts the subscriptions that this connection has had:
	// messages for an earlier one, still under way, are not for the present.
	generation uint32

	// The argument and the results of try, which is made once because a
	// closure for each write would be an allocation for each write.
	try    func(fd uintptr) bool
	tried  []byte
	wrote  int
	tryErr error
}

var errConnClosed = errors.New("the connection is closed")

func newConn(c net.Conn, cfg Config, drains *sync.WaitGroup, m *metrics) *conn {
	w := &conn{Conn: c, maxPending: cfg.MaxPending, grace: cfg.CloseGrace, heartbeat: cfg.Heartbeat, drains: drains, metrics: m, corked: true, holding: true}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a hint: a connection that refuses it still works
	}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
			w.try = w.tryOnce
		}
	}
	return w
}

// tryOnce is the non-blocking write: the descriptors of net are non-blocking.
func (c *conn) tryOnce(fd uintptr) bool {
	for {
		c.wrote, c.tryErr = syscall.Write(int(fd), c.tried)
		if c.tryErr != syscall.EINTR {
			return true
		}
	}
}

// listen begins the heartbeats.
func (c *conn) listen() { _ = c.Conn.SetReadDeadline(time.Now().Add(c.heartbeat)) }

// Read waits for what the client sends. Each heartbeat it pings the client;
// when nothing has come by the next, the client is gone. So a stream needs
// neither a goroutine nor a timer for its pings, and gorilla, which cannot go
// on after a deadline, sees one only at the end.
func (c *conn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if n > 0 {
			c.silent = 0
			if !c.inflow.takeBytes(time.Now(), n) {
				c.close(CloseProtocol)
				return 0, errFlood
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if c.silent++; c.silent >= 2 {
			return n, err
		}
		c.send(pingMessage)
		c.listen()
	}
}

// Write queues what gorilla writes. It does not wait and does not keep b.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, errConnClosed
	}
	if c.closing {
		return len(b), nil
	}
	c.write(b)
	if len(b) > 0 && b[0] == closeOpcode {
		c.end(closedByGorilla(b))
	}
	return len(b), nil
}

// closedByGorilla tells why it closes: of itself because of what it read, and
// else because the client did, whose code it repeats.
func closedByGorilla(b []byte) CloseCode {
	if len(b) >= 4 {
		if code := CloseCode(b[2])<<8 | CloseCode(b[3]); code == closeMalformed || code == closeTooBig {
			return code
		}
	}
	return closeByClient
}

// SetWriteDeadline does nothing: Write never waits, and a deadline that
// gorilla sets for a ping would hit the goroutine that waits for the client.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// send queues messages, ahead of those held back.
func (c *conn) send(messages []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing && !c.closed {
		c.write(messages)
	}
}

// uncork writes what was queued since the connection was made: the answer to
// the upgrade and the first message leave in one packet.
func (c *conn) uncork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.pending
	c.corked, c.pending = false, nil
	if len(first) > 0 && !c.closed {
		c.write(first)
	}
}

// write queues messages; c.mu is held. A client for whom nothing waits is
// given any amount: it has not been slow yet.
func (c *conn) write(messages []byte) { c.put(messages, c.maxPending) }

// put is write with another bound.
func (c *conn) put(messages []byte, most int) {
	if c.corked {
		c.pending = append(c.pending, messages...)
		return
	}
	if len(c.pending) == 0 && c.inFlight == 0 && c.raw != nil {
		n, err := c.tryWrite(messages)
		if err != nil {
			c.abort()
			return
		}
		if messages = messages[n:]; len(messages) == 0 {
			return
		}
	}
	if q := c.queued(); q > 0 && q+len(messages) > most {
		c.pending = append(c.pending, closeMessage(CloseSlow)...)
		c.end(CloseSlow)
		return
	}
	c.pending = append(c.pending, messages...)
	if !c.draining {
		c.draining = true
		c.drains.Add(1)
		go c.drain()
	}
}

// tryWrite writes what the kernel takes without waiting; c.mu is held.
func (c *conn) tryWrite(messages []byte) (int, error) {
	c.tried, c.wrote, c.tryErr = messages, 0, nil
	err := c.raw.Write(c.try)
	c.tried = nil
	switch {
	case err != nil:
		return 0, err
	case c.tryErr == syscall.EAGAIN:
		return 0, nil
	case c.tryErr != nil:
		return 0, c.tryErr
	}
	return c.wrote, nil
}

func (c *conn) queued() int { return len(c.pending) + c.inFlight }

// drain writes what is pending until nothing is, waiting for the client. Each
// part has a deadline of its own: slow progress is progress.
func (c *conn) drain() {
	defer c.drains.Done()
	var out []byte
	for {
		c.mu.Lock()
		if len(out) == 0 {
			out, c.pending = c.pending, nil
		}
		c.inFlight = len(out)
		c.relieve()
		if len(out) == 0 || c.closed {
			c.pending, c.inFlight, c.draining = nil, 0, false
			// A deadline left behind would fail the next tryWrite.
			_ = c.Conn.SetWriteDeadline(time.Time{})
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()

		_ = c.Conn.SetWriteDeadline(time.Now().Add(writeWait))
		n, err := c.Conn.Write(out[:min(len(out), sendBuffer)])
		c.mu.Lock()
		switch {
		case err != nil:
			c.abort()
		case c.closing && !c.closed && time.Now().Before(c.cutBy):
			c.cut.Reset(c.grace) // it reads, and may come to the close message
		}
		c.mu.Unlock()
		out = out[n:]
	}
}

// relieve wakes who waits for relief when there is some; c.mu is held.
func (c *conn) relieve() {
	if c.relieved != nil && c.eased() {
		close(c.relieved)
		c.relieved = nil
	}
}

// eased reports whether little is pending; c.mu is held.
func (c *conn) eased() bool { return c.closed || c.closing || c.queued() <= c.maxPending/4 }

// idle reports whether relief would not wait, and whether the stream is ending.
func (c *conn) idle() (eased, ending bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.eased(), c.closing || c.closed
}

// relief waits until little is pending.
func (c *conn) relief(ctx context.Context) error {
	c.mu.Lock()
	if c.eased() {
		c.mu.Unlock()
		return ctx.Err()
	}
	if c.relieved == nil {
		c.relieved = make(chan struct{})
	}
	relieved := c.relieved
	c.mu.Unlock()
	select {
	case <-relieved:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close sends a close message after what is queued. The client answers it and
// the connection ends; one that does not is cut when it has taken nothing for the
// grace.
func (c *conn) close(code CloseCode) { c.closeAfter(nil, code) }

// closeAfter is close with messages before it.
func (c *conn) closeAfter(messages []byte, code CloseCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.closed {
		return
	}
	c.put(append(messages, closeMessage(code)...), math.MaxInt) // whatever waits: it is the last
	c.end(code)
}

// end lets nothing follow the close message just queued; c.mu is held.
func (c *conn) end(code CloseCode) {
	if c.closing || c.closed {
		return
	}
	c.metrics.closed(code)
	c.closing, c.held = true, nil
	c.relieve()
	c.cutBy = time.Now().Add(closingMost)
	c.cut = time.AfterFunc(c.grace, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.abort()
	})
}

// abort cuts the connection; what is pending is lost. c.mu is held.
func (c *conn) abort() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		// Nothing is to linger in the kernel for a client that does not read.
		_ = tcp.SetLinger(0)
	}
	c.shut()
}

// Close ends the connection.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut()
	return nil
}

func (c *conn) shut() {
	if c.closed {
		return
	}
	if !c.closing {
		c.metrics.closed(closeNone)
	}
	c.closed, c.held = true, nil
	if c.cut != nil {
		c.cut.Stop()
	}
	c.relieve()
	// The error would be that of a connection that is gone already.
	_ = c.Conn.Close()
}
