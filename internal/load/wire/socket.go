package wire

import (
	"encoding/json"
	"strconv"
	"sync/atomic"

	"github.com/sethvargo/go-retry"
)

// Receiver takes what arrives on a socket. Calls come one at a time over all
// sockets, and while Sockets.Exclusive runs there are none.
type Receiver interface {
	// Ready takes the first ready: where each conversation stands, by its id.
	Ready(heads map[string]int64)
	// Began says that a connection has begun or, after the first, resumed.
	Began(now int64, resumed bool)
	// Event takes a durable event. inOrder is false when its position is not
	// after those received before. The event shares memory with a buffer.
	Event(e Event, inOrder bool, now int64)
	// Has reports whether the socket has received a seq of a conversation, and
	// Subscribed whether it is one of the user's at all.
	Has(conversation string, seq int64) bool
	Subscribed(conversation string) bool
	// Ephemeral takes a stealth, stealth_gone or ephemeral_gap frame.
	Ephemeral(kind string, frame []byte, now int64)
	// Violation takes what is against the protocol, and Closed the code that the
	// server closed the socket with.
	Violation(format string, args ...any)
	Closed(code int)
	// Lost says that the connection is lost, and ReadDone that all of one read
	// was taken.
	Lost(now int64)
	ReadDone(now int64)
}

// Socket is a user's socket, over all connections that it takes. Everything but
// atomics and the link is used under Sockets.Exclusive.
type Socket struct {
	Account  *Account
	Receiver Receiver
	Slow     bool // its first connection has a small receive buffer
	hub      *Sockets
	link     link

	opened    bool          // the first ready has arrived
	ready     chan struct{} // closed then
	epoch     int
	positions []int64 // received, by partition: from where to resume
	carry     []byte  // the beginning of a frame whose end has not arrived yet
	partial   []byte  // of a fragmented message
	gaps      []gap   // told and not read yet
	terminal  bool    // the server said not to reconnect
	losses    int     // connections that ended
	reconnect int64   // when the server asked it to reconnect, on the run's clock; 0 is at once
	pending   int64   // how many bytes may wait for it, as the server says; 0 is not known
	resting   bool    // it does not read now
	held      bool    // gaps are being read, and it is not read meanwhile

	backoff   retry.Backoff // of attempts and connections that failed since it began or resumed
	expired   atomic.Bool   // credentials have to be renewed before connecting
	cutting   atomic.Bool   // what the connection still holds is to be discarded
	heard     atomic.Int64  // when something last arrived
	heartbeat atomic.Int64  // how often something should, in nanoseconds; 0 is not known
}

// gap is a part of a conversation that the server will not replay.
type gap struct {
	conversation string
	from, to     int64
}

// Losses is how many of the socket's connections have ended.
func (s *Socket) Losses() int { return s.losses }

// ForgetLosses counts them from now on.
func (s *Socket) ForgetLosses() { s.losses = 0 }

// Pending is how many bytes may wait for the socket, as the server says; 0 is
// not known.
func (s *Socket) Pending() int64 { return s.pending }

// Rest stops reading the socket, until Continue.
func (s *Socket) Rest() { s.hub.reader.rest(s) }

// Continue ends Rest.
func (s *Socket) Continue() {
	s.heard.Store(s.hub.clock.Now()) // it was not the server that was silent
	s.hub.reader.wake(s)
}

// Disconnect breaks the connection as a lost network does: what is under way is
// lost. It returns false when there is no connection to break. It may be called
// at any time.
func (s *Socket) Disconnect() bool {
	s.cutting.Store(true)
	if !s.link.hangUp() {
		s.cutting.Store(false)
		return false
	}
	return true
}

// raise raises the positions from which the socket would resume.
func (s *Socket) raise(at []string) {
	for _, text := range at {
		if p, n, err := ParsePosition(text); err == nil {
			s.growTo(p)
			s.positions[p] = max(s.positions[p], n)
		}
	}
}

// growTo makes room for the position of a partition.
func (s *Socket) growTo(partition int) {
	for len(s.positions) <= partition {
		s.positions = append(s.positions, 0)
	}
}

// advance moves the position to resume from to e's; false when it is not ahead.
func (s *Socket) advance(e Event) (inOrder bool) {
	s.growTo(e.Partition)
	if e.Position <= s.positions[e.Partition] {
		return false
	}
	s.positions[e.Partition] = e.Position
	return true
}

// resume is the frame that asks for everything after the positions received.
func (s *Socket) resume() []byte {
	at := make([]string, len(s.positions))
	for p, n := range s.positions {
		at[p] = strconv.Itoa(p) + ":" + strconv.FormatInt(n, 10)
	}
	b, _ := json.Marshal(map[string]any{"type": "resume", "at": at, "epoch": s.epoch}) // always encodes
	return b
}

// refresh tells the server new credentials, so that the socket outlives the old
// ones.
func (s *Socket) refresh(c *credentials) {
	b, _ := json.Marshal(map[string]string{"type": "refresh", "access_token": c.bearer[len("Bearer "):]}) // always encodes
	s.send(opText, b)
}
