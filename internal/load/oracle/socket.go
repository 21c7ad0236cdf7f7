package oracle

import (
	"fmt"
	"sync/atomic"
	"time"

	"ping/internal/load/workload"
)

// Socket is what one socket received, over all connections that it took.
type Socket struct {
	User   *workload.User
	record *Record

	// subscriptions are by the text of the conversation's id; latest is the one
	// used last, which is most often the next one too.
	subscriptions map[string]*Subscription
	latest        *Subscription

	began bool   // a connection has begun
	since int64  // when the last connection began or resumed
	down  int64  // since when ephemeral frames may be missed; 0 is not now
	downs []span // when they were before

	due int64 // bytes that waited for a slow socket, at least
}

func (s *Socket) subscribe(c *Conversation) {
	sub := &Subscription{conversation: c, socket: s, index: len(c.subscriptions)}
	s.subscriptions[c.text] = sub
	c.subscriptions = append(c.subscriptions, sub)
}

// Subscription returns the socket's view of a conversation, by the text of its
// id; nil when the user is not in it.
func (s *Socket) Subscription(conversation string) *Subscription {
	return s.subscriptions[conversation]
}

// StartAt takes the seq of a conversation's last event before the socket: the
// next event has the next seq. Without it, the first event received is the first.
func (s *Socket) StartAt(conversation string, seq int64) {
	if sub := s.subscriptions[conversation]; sub != nil {
		sub.known, sub.base = true, seq
		sub.last.Store(seq)
	}
}

// Receive checks an event against what the socket received before. It returns
// false when the socket has received it already, or should not receive it. For
// a message, start is when its sending began: 0 until that is acknowledged.
func (s *Socket) Receive(e Event) (start *atomic.Int64, fresh bool) {
	sub := s.latest
	if sub == nil || sub.conversation.text != string(e.Conversation) {
		if sub = s.subscriptions[string(e.Conversation)]; sub == nil {
			if len(e.Conversation) > 0 {
				s.record.Faults.Report(Foreign, "user %d received an event of %s, of which they are no member", s.User.Number, e.Conversation)
			}
			return nil, false
		}
		s.latest = sub
	}
	if !sub.accept(e) {
		return nil, false
	}
	if !e.InOrder {
		s.Report(Disordered, "%s arrived after a later position of its partition", e.ID)
	}
	message := string(e.Name) == messageSent
	if slot := sub.conversation.markEvent(e, message); slot != nil && message {
		start = &slot.start
	}
	return start, true
}

// Report reports a fault of the socket.
func (s *Socket) Report(kind Fault, format string, args ...any) {
	s.record.Faults.Report(kind, "user %d: %s", s.User.Number, fmt.Sprintf(format, args...))
}

// Unprovoked keeps what is a fault unless a dependency was unavailable.
func (s *Socket) Unprovoked(format string, args ...any) {
	s.record.unprovoked = append(s.record.unprovoked,
		fmt.Sprintf("user %d: %s, and nothing was unavailable", s.User.Number, fmt.Sprintf(format, args...)))
}

const (
	// lostBefore is how long before a lost connection is noticed its frames may
	// have been lost, and gapBefore the same before an ephemeral_gap. A gap within
	// gapBegin of a connection's beginning is about that beginning.
	lostBefore = int64(2 * time.Second)
	gapBefore  = int64(15 * time.Second)
	gapBegin   = int64(2 * time.Second)
)

// Began notes that a connection has begun or resumed.
func (s *Socket) Began(now int64) {
	s.began, s.since = true, now
	s.MarkUp(now)
}

// Lost notes that a connection was found lost.
func (s *Socket) Lost(now int64) { s.MarkDown(now - lostBefore) }

// MarkDown notes that ephemeral frames may be missed from a time on.
func (s *Socket) MarkDown(from int64) {
	if s.down == 0 {
		s.down = max(from, 1)
	}
}

// MarkUp notes that no ephemeral frame is missed any more.
func (s *Socket) MarkUp(now int64) {
	if s.down != 0 {
		s.downs = append(s.downs, span{s.down, now})
		s.down = 0
	}
}

// EphemeralGap takes an ephemeral_gap. It excuses what was missed while the
// connection began; a later one means that the server itself missed frames.
func (s *Socket) EphemeralGap(now int64) {
	switch n := len(s.downs); {
	case !s.began || s.down != 0: // everything is excused until it begins
	case now-s.since > gapBegin:
		s.downs = append(s.downs, span{now - gapBefore, now})
		s.Unprovoked("ephemeral_gap %s after the connection had begun", time.Duration(now-s.since).Round(time.Millisecond))
	case n > 0:
		s.downs[n-1].to = now
	default:
		s.downs = append(s.downs, span{0, now})
	}
}

// excused reports whether the socket may have missed an ephemeral frame between
// two times.
func (s *Socket) excused(from, to int64) bool {
	if s.down != 0 && s.down <= to {
		return true
	}
	for _, d := range s.downs {
		if d.from <= to && from <= d.to {
			return true
		}
	}
	return false
}
