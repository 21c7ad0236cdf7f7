//go:build !linux

package load

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// reader reads each socket on a goroutine of its own. On Linux it does better.
type reader struct{ hub *sockets }

const readSize = 64 << 10

func newReader(h *sockets) (*reader, error) { return &reader{hub: h}, nil }

// link is a socket's connection.
type link struct {
	mu    sync.Mutex
	conn  net.Conn // nil when there is none
	count int32
	awake chan struct{} // closed when it is read again; nil while it is read
}

// add takes over a connection, with bytes that were read of it already.
// sockets.mu is held.
func (r *reader) add(s *socket, conn net.Conn, first []byte) error {
	s.link.mu.Lock()
	s.link.conn = conn
	s.link.count++
	s.link.mu.Unlock()
	s.carry = first
	r.hub.wg.Go(func() { r.start(s, conn) })
	return nil
}

// start looks at what is there already, then reads.
func (r *reader) start(s *socket, conn net.Conn) {
	r.hub.mu.Lock()
	carry := s.carry
	s.carry = nil
	n := r.hub.received(s, carry)
	if n != goOn {
		r.after(s, n)
	}
	r.hub.mu.Unlock()
	if n == goOn {
		r.read(s, conn)
	}
}

func (r *reader) read(s *socket, conn net.Conn) {
	buffer := make([]byte, readSize)
	for {
		s.link.awaitWake(r.hub.ctx)
		n, err := conn.Read(buffer)
		if s.cutting.Load() {
			n = 0
		}
		r.hub.mu.Lock()
		found := goOn
		if n > 0 {
			found = r.hub.received(s, append(s.carry, buffer[:n]...))
		}
		if found == goOn && (err != nil || n == 0) {
			found = hangUp
			r.hub.counts.failed("socket: " + ended(err))
		}
		if found != goOn {
			r.after(s, found)
		}
		r.hub.mu.Unlock()
		if found != goOn {
			return
		}
	}
}

// after does what reading found has to be done. sockets.mu is held.
func (r *reader) after(s *socket, n next) {
	if n == readGap {
		r.hub.wg.Go(func() { r.hub.readGaps(s) })
		return
	}
	s.link.close()
	r.hub.lost(s)
}

// again reads on after gaps were read. sockets.mu is held.
func (r *reader) again(s *socket) {
	s.link.mu.Lock()
	conn := s.link.conn
	s.link.mu.Unlock()
	if conn != nil {
		r.hub.wg.Go(func() { r.start(s, conn) })
	}
}

// rest stops reading a socket, after the read that is under way. sockets.mu is held.
func (r *reader) rest(s *socket) {
	s.resting = true
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	s.link.awake = make(chan struct{})
}

// wake reads a socket again. sockets.mu is held.
func (r *reader) wake(s *socket) {
	s.resting = false
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	close(s.link.awake)
	s.link.awake = nil
}

func (l *link) awaitWake(ctx context.Context) {
	l.mu.Lock()
	awake := l.awake
	l.mu.Unlock()
	if awake == nil {
		return
	}
	select {
	case <-awake:
	case <-ctx.Done():
	}
}

func (r *reader) run() {}

func (r *reader) close() {
	for _, s := range r.hub.all {
		s.link.hangUp()
	}
}

func (l *link) generation() int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// hangUp makes the reader find the connection ended; false when there is none.
func (l *link) hangUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn != nil && l.conn.SetDeadline(time.Now()) == nil
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return
	}
	if tcp, ok := l.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closed all the same
	}
	l.conn.Close()
	l.conn = nil
}

// send writes a short frame. A connection that does not take it is lost, and
// reading finds that out.
func (s *socket) send(opcode byte, payload []byte) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.link.conn == nil {
		return
	}
	_ = s.link.conn.SetWriteDeadline(time.Now().Add(time.Second)) // the write below says what is wrong
	if _, err := s.link.conn.Write(appendFrame(nil, opcode, payload, rand.Uint32())); err != nil {
		_ = s.link.conn.SetDeadline(time.Now())
	}
}
