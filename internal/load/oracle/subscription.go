package oracle

import (
	"slices"
	"sync/atomic"

	"ping/domain"
)

// The events that the verdict knows by name.
const (
	messageSent   = "message.sent"
	memberAdded   = "member.added"
	memberRemoved = "member.removed"
)

// Event is a durable event that a socket received. Conversation and Name may
// share memory with a buffer: nothing keeps them.
type Event struct {
	Conversation []byte // the id as text; empty for an event of a user's stream
	Seq          int64
	Name         []byte
	ID           domain.ID
	Member       domain.ID // who was added or removed, of member.added and member.removed
	InOrder      bool      // its position is after those that the socket received before
}

func (e Event) adds(user domain.ID) bool { return e.Member == user && string(e.Name) == memberAdded }

func (e Event) removes(user domain.ID) bool {
	return e.Member == user && string(e.Name) == memberRemoved
}

// Subscription is a socket's view of one conversation.
type Subscription struct {
	conversation *Conversation
	socket       *Socket
	index        int          // among the conversation's
	known        bool         // base is known
	base         int64        // the last seq before the socket
	last         atomic.Int64 // the highest seq received
	missing      []span       // seqs below last that have not arrived
	left         atomic.Bool  // the user is no longer a member
	absent       []span       // seqs while the user was no member

	// Of a slow socket: how many messages were acknowledged when it stopped
	// reading, and the last seq when it continued.
	ackedBefore, continuedAt int64
}

// span is the seqs, or times, from..to.
type span struct{ from, to int64 }

func within(spans []span, n int64) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return n >= s.from && n <= s.to })
}

// accept checks that e is the conversation's next event for this socket, and
// returns false when the socket has received it before.
func (sub *Subscription) accept(e Event) bool {
	f, user := sub.conversation.faults, sub.socket.User
	if !sub.known {
		sub.known, sub.base = true, e.Seq-1
		sub.last.Store(e.Seq - 1)
	}
	if sub.left.Load() && !sub.rejoin(e) {
		return false
	}
	switch last := sub.last.Load(); {
	case e.Seq == last+1:
		sub.last.Store(e.Seq)
	case e.Seq > last:
		// Counted when it is clear whether they were late or lost.
		sub.missing = append(sub.missing, span{last + 1, e.Seq - 1})
		sub.last.Store(e.Seq)
	case sub.fill(e.Seq):
		f.Report(Disordered, "user %d received seq %d of %s after seq %d", user.Number, e.Seq, e.Conversation, last)
	default:
		f.Report(Doubled, "user %d received %s, seq %d of %s, twice", user.Number, e.ID, e.Seq, e.Conversation)
		return false
	}
	if !e.Member.IsZero() && e.Seq == sub.last.Load() && e.removes(user.ID) {
		sub.left.Store(true)
	}
	return true
}

// rejoin takes the event that adds the user after they had left, and reports
// any other: only members receive it.
func (sub *Subscription) rejoin(e Event) bool {
	last, user := sub.last.Load(), sub.socket.User
	if e.Seq <= last || !e.adds(user.ID) {
		sub.conversation.faults.Report(Foreign, "user %d, who had left, received %s, seq %d of %s",
			user.Number, e.ID, e.Seq, e.Conversation)
		return false
	}
	if last+1 < e.Seq {
		sub.absent = append(sub.absent, span{last + 1, e.Seq - 1})
	}
	sub.last.Store(e.Seq - 1)
	sub.left.Store(false)
	return true
}

// fill removes a seq from the missing ones.
func (sub *Subscription) fill(seq int64) bool {
	for i, m := range sub.missing {
		if seq < m.from || seq > m.to {
			continue
		}
		sub.missing = append(sub.missing[:i], sub.missing[i+1:]...)
		if m.from < seq {
			sub.missing = append(sub.missing, span{m.from, seq - 1})
		}
		if seq < m.to {
			sub.missing = append(sub.missing, span{seq + 1, m.to})
		}
		return true
	}
	return false
}

// Has reports whether the socket received seq.
func (sub *Subscription) Has(seq int64) bool {
	if !sub.known || seq <= sub.base || seq > sub.last.Load() {
		return false
	}
	return !within(sub.missing, seq) && !within(sub.absent, seq)
}

// owes reports whether the user was a member at seq, as far as their socket was
// told.
func (sub *Subscription) owes(seq int64) bool {
	return !within(sub.absent, seq) && !(sub.left.Load() && seq > sub.last.Load())
}

// markEvent keeps which event sockets received at a seq, and reports a socket
// that received another one there.
func (c *Conversation) markEvent(e Event, message bool) *slot {
	s := c.seqs.slot(e.Seq)
	if s == nil {
		c.faults.Report(Broken, "seq %d of %s", e.Seq, c.text)
		return nil
	}
	mark := markOf(e.ID, message)
	if old := s.mark.Load(); old == 0 {
		s.mark.Store(mark)
		if !e.Member.IsZero() {
			c.moves = append(c.moves, move{e.Seq, e.Member, string(e.Name) == memberAdded})
		}
		if c.messagesOnly && !message && e.Seq > c.created() {
			c.faults.Report(Leaked, "the log holds %s, seq %d of %s, though only messages were sent", e.Name, e.Seq, c.text)
		}
	} else if old != mark {
		c.faults.Report(Altered, "seq %d of %s is %s on one socket and another event on another", e.Seq, c.text, e.ID)
	}
	return s
}
