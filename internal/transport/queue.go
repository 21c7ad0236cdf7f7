package transport

import (
	"net"
	"syscall"
)

// queue is what waits for a client. Its methods need the lock of its Conn.
type queue struct {
	pending  []byte        // not yet written
	inFlight int           // bytes that the draining goroutine is writing
	draining bool          // that goroutine runs
	corked   bool          // everything waits for uncork
	low      chan struct{} // closed when few bytes are pending; nil while nobody waits

	// The argument and the results of try, which is made once: a closure per
	// write would be an allocation per write.
	raw    syscall.RawConn // nil when a write cannot be tried, such as under TLS
	try    func(fd uintptr) bool
	tried  []byte
	wrote  int
	tryErr error
}

func newQueue(c net.Conn) queue {
	q := queue{corked: true}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			q.raw = raw
		}
	}
	return q
}

// size returns how many bytes wait.
func (q *queue) size() int { return len(q.pending) + q.inFlight }

// append adds messages at the end.
func (q *queue) append(messages []byte) { q.pending = append(q.pending, messages...) }

// uncork lets messages be written and returns those that waited for it.
func (q *queue) uncork() (first []byte) {
	first, q.pending, q.corked = q.pending, nil, false
	return first
}

// startDraining reports whether the caller has to start the draining goroutine.
func (q *queue) startDraining() bool {
	if q.corked || q.draining {
		return false
	}
	q.draining = true
	return true
}

// next returns the rest of what is being written, or else all that is pending.
func (q *queue) next(rest []byte) []byte {
	if len(rest) == 0 {
		rest, q.pending = q.pending, nil
	}
	q.inFlight = len(rest)
	return rest
}

// stopDraining forgets what is left: there is nothing, or nobody to read it.
func (q *queue) stopDraining() { q.pending, q.inFlight, q.draining = nil, 0, false }

// tryWrite writes what the kernel takes without waiting, if nothing else waits,
// and returns the rest.
func (q *queue) tryWrite(messages []byte) (rest []byte, err error) {
	if q.raw == nil || q.corked || q.size() > 0 {
		return messages, nil
	}
	if q.try == nil {
		q.try = q.tryOnce
	}
	q.tried, q.wrote, q.tryErr = messages, 0, nil
	err = q.raw.Write(q.try)
	q.tried = nil
	switch {
	case err != nil:
		return nil, err
	case q.tryErr == syscall.EAGAIN:
		return messages, nil
	case q.tryErr != nil:
		return nil, q.tryErr
	}
	return messages[q.wrote:], nil
}

// tryOnce writes without blocking: the descriptors of package net do not block.
func (q *queue) tryOnce(fd uintptr) bool {
	for {
		q.wrote, q.tryErr = syscall.Write(int(fd), q.tried)
		if q.tryErr != syscall.EINTR {
			return true
		}
	}
}
