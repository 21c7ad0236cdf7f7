package wire

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reader reads all sockets on one goroutine. Connections are moved out of the
// runtime's poller into an epoll instance of the reader's own, which is given to
// the runtime's poller. So the goroutine sleeps like any other, but one wake-up
// serves all readable connections, with one read each. The runtime alone would
// wake one goroutine per connection and read twice.
type reader struct {
	hub    *Sockets
	poll   *os.File
	raw    syscall.RawConn
	fd     int
	buffer []byte
}

// readSize is the minimum room for one read.
const readSize = 256 << 10

func newReader(h *Sockets) (*reader, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or the runtime would not poll it
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	r := &reader{hub: h, fd: fd, poll: os.NewFile(uintptr(fd), "epoll"), buffer: make([]byte, 2*readSize)}
	if r.raw, err = r.poll.SyscallConn(); err != nil {
		r.poll.Close()
		return nil, err
	}
	for i, s := range h.all {
		s.link.index = int32(i)
	}
	return r, nil
}

// link is a socket's connection. Generations tell events of a connection from
// those of an earlier one, which may have had the same descriptor.
type link struct {
	mu    sync.Mutex
	open  bool
	fd    int
	count int32
	index int32 // of the socket in Sockets.all
	// delayed is when acks were last asked to be delayed, on the run's clock.
	delayed int64
}

// add takes over a connection, with the bytes that were already read from it.
// Sockets.mu is held.
func (r *reader) add(s *Socket, conn net.Conn, first []byte) error {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	fd := -1
	var dupErr error
	if err := raw.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return err
	}
	if dupErr != nil {
		return os.NewSyscallError("dup", dupErr)
	}
	conn.Close() // removes the original from the runtime's poller; the duplicate stays open
	s.link.mu.Lock()
	s.link.open, s.link.fd = true, fd
	s.link.count++
	s.link.mu.Unlock()
	if len(first) > 0 {
		if n := r.hub.received(s, first); n != readOn {
			// The connection counts as made, and then as lost or held.
			defer func() { r.after(s, n) }()
			return nil
		}
	}
	if err := r.register(s); err != nil {
		s.link.close()
		return err
	}
	return nil
}

func (r *reader) register(s *Socket) error {
	if s.resting {
		return nil
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: s.link.index, Pad: s.link.count}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.fd, unix.EPOLL_CTL_ADD, s.link.fd, &event))
}

// run reads until close.
func (r *reader) run() {
	events := make([]unix.EpollEvent, 256)
	for {
		n := 0
		err := r.raw.Read(func(fd uintptr) bool {
			var err error
			for {
				if n, err = unix.EpollWait(int(fd), events, 0); !errors.Is(err, unix.EINTR) {
					return n != 0 // below 0 for an error
				}
			}
		})
		if err != nil || n < 0 {
			break // closed
		}
		for _, e := range events[:n] {
			r.read(r.hub.all[e.Fd], e.Pad)
		}
	}
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	for _, s := range r.hub.all {
		s.link.close()
	}
}

// read makes one read of a readable connection.
func (r *reader) read(s *Socket, generation int32) {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	if !s.link.open || s.link.count != generation {
		return
	}
	if s.cutting.Load() {
		r.after(s, hangUp)
		return
	}
	carried := len(s.carry)
	if len(r.buffer) < carried+readSize {
		r.buffer = make([]byte, 2*(carried+readSize))
	}
	copy(r.buffer, s.carry)
	n, err := unix.Read(s.link.fd, r.buffer[carried:])
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
	case err != nil || n == 0:
		r.hub.counts.Failed("socket: " + networkCode(err))
		r.after(s, hangUp)
	default:
		r.delayAcks(s)
		if n := r.hub.received(s, r.buffer[:carried+n]); n != readOn {
			r.after(s, n)
		}
	}
}

// delayAcksFor is less than the kernel's shortest delay of an ack.
const delayAcksFor = int64(30 * time.Millisecond)

// delayAcks keeps the kernel from sending a TCP ack per read, as it does when
// data goes one way only: a read of a small frame would cost 6 µs instead of 2.
// A connection on which both sides talk has delayed acks anyway. The kernel
// reverts whenever a delay has run out.
func (r *reader) delayAcks(s *Socket) {
	if now := s.heard.Load(); now-s.link.delayed > delayAcksFor {
		s.link.delayed = now
		_ = unix.SetsockoptInt(s.link.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0) // works without, at a higher cost
	}
}

// after does what a read has led to. Sockets.mu is held.
func (r *reader) after(s *Socket, n step) {
	if n == readGap {
		s.held = true
		// An error is fine: add may not have registered it yet.
		_ = unix.EpollCtl(r.fd, unix.EPOLL_CTL_DEL, s.link.fd, nil)
		r.hub.wg.Go(func() { r.hub.readGaps(s) })
		return
	}
	s.link.close()
	r.hub.lost(s)
}

// resume reads on after gaps were read. Sockets.mu is held.
func (r *reader) resume(s *Socket) {
	s.held = false
	if !s.link.open {
		return
	}
	carry := s.carry
	s.carry = nil
	if n := r.hub.received(s, carry); n != readOn {
		r.after(s, n)
		return
	}
	if r.register(s) != nil {
		r.after(s, hangUp)
	}
}

// rest stops reading a socket. Sockets.mu is held.
func (r *reader) rest(s *Socket) {
	s.resting = true
	if s.link.open {
		_ = unix.EpollCtl(r.fd, unix.EPOLL_CTL_DEL, s.link.fd, nil) // it is not registered while gaps are read
	}
}

// wake continues reading a socket. Sockets.mu is held.
func (r *reader) wake(s *Socket) {
	s.resting = false
	if s.link.open && !s.held && r.register(s) != nil {
		r.after(s, hangUp)
	}
}

func (r *reader) close() {
	r.poll.Close()
}

// generation tells one connection of a socket from the next.
func (l *link) generation() int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// hangUp makes the reader find the connection ended; false when there is none.
func (l *link) hangUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open && unix.Shutdown(l.fd, unix.SHUT_RDWR) == nil
}

// close resets the connection, without the closing handshake of TCP.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open {
		l.open = false
		_ = unix.SetsockoptLinger(l.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // it is closed in any case
		unix.Close(l.fd)
	}
}

// send writes a short frame. A connection that does not take it is lost, which
// the reader notices.
func (s *Socket) send(opcode byte, payload []byte) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if !s.link.open {
		return
	}
	b := appendFrame(nil, opcode, payload, rand.Uint32())
	if n, err := unix.Write(s.link.fd, b); err != nil || n < len(b) {
		_ = unix.Shutdown(s.link.fd, unix.SHUT_RDWR) // fails for a connection that has ended already
	}
}
