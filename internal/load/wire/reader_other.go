//go:build !linux

package wire

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// reader reads each socket on a goroutine of its own. On Linux one goroutine
// reads all.
type reader struct{ hub *Sockets }

const readSize = 64 << 10

func newReader(h *Sockets) (*reader, error) { return &reader{hub: h}, nil }

// link is a socket's connection.
type link struct {
	mu    sync.Mutex
	conn  net.Conn // nil when there is none
	count int32
	awake chan struct{} // closed when reading continues; nil while it is read
}

// add takes over a connection, with the bytes that were already read from it.
// Sockets.mu is held.
func (r *reader) add(s *Socket, conn net.Conn, first []byte) error {
	s.link.mu.Lock()
	s.link.conn = conn
	s.link.count++
	s.link.mu.Unlock()
	s.carry = first
	r.hub.wg.Go(func() { r.start(s, conn) })
	return nil
}

// start takes the bytes that were already read, then reads.
func (r *reader) start(s *Socket, conn net.Conn) {
	r.hub.mu.Lock()
	carry := s.carry
	s.carry = nil
	n := r.hub.received(s, carry)
	if n != readOn {
		r.after(s, n)
	}
	r.hub.mu.Unlock()
	if n == readOn {
		r.read(s, conn)
	}
}

func (r *reader) read(s *Socket, conn net.Conn) {
	buffer := make([]byte, readSize)
	for {
		s.link.awaitWake(r.hub.ctx)
		n, err := conn.Read(buffer)
		if s.cutting.Load() {
			n = 0
		}
		r.hub.mu.Lock()
		found := readOn
		if n > 0 {
			found = r.hub.received(s, append(s.carry, buffer[:n]...))
		}
		if found == readOn && (err != nil || n == 0) {
			found = hangUp
			r.hub.counts.Failed("socket: " + networkCode(err))
		}
		if found != readOn {
			r.after(s, found)
		}
		r.hub.mu.Unlock()
		if found != readOn {
			return
		}
	}
}

// after does what a read has led to. Sockets.mu is held.
func (r *reader) after(s *Socket, n step) {
	if n == readGap {
		r.hub.wg.Go(func() { r.hub.readGaps(s) })
		return
	}
	s.link.close()
	r.hub.lost(s)
}

// resume reads on after gaps were read. Sockets.mu is held.
func (r *reader) resume(s *Socket) {
	s.link.mu.Lock()
	conn := s.link.conn
	s.link.mu.Unlock()
	if conn != nil {
		r.hub.wg.Go(func() { r.start(s, conn) })
	}
}

// rest stops reading a socket, after the read that is under way. Sockets.mu is held.
func (r *reader) rest(s *Socket) {
	s.resting = true
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	s.link.awake = make(chan struct{})
}

// wake continues reading a socket. Sockets.mu is held.
func (r *reader) wake(s *Socket) {
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
		_ = tcp.SetLinger(0) // it is closed in any case
	}
	l.conn.Close()
	l.conn = nil
}

// send writes a short frame. A connection that does not take it is lost, which
// the reader notices.
func (s *Socket) send(opcode byte, payload []byte) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.link.conn == nil {
		return
	}
	_ = s.link.conn.SetWriteDeadline(time.Now().Add(time.Second)) // the write below fails if it did
	if _, err := s.link.conn.Write(appendFrame(nil, opcode, payload, rand.Uint32())); err != nil {
		_ = s.link.conn.SetDeadline(time.Now())
	}
}
