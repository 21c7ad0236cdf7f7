package load

import (
	"fmt"
	"sync/atomic"

	"ping/domain"
)

// subscription is a socket's view of one conversation.
type subscription struct {
	conversation *conversation
	socket       *socket
	index        int          // among the conversation's
	known        bool         // base is known
	base         int64        // what was there before the socket
	last         atomic.Int64 // the greatest seq received
	missing      []span       // seqs below last that have not come
	rested       int64        // of a slow socket: how many messages were acknowledged when it stopped reading
	woke         int64        // and the last seq when it read again
	left         atomic.Bool  // its user is a member no longer
	away         []span       // seqs while he was none
}

// span is the seqs from..to.
type span struct{ from, to int64 }

// deliver checks an event against what came before, and counts it. live says
// that it came over the socket, where positions rise.
func (s *socket) deliver(e event, now int64, live bool) {
	if live && (e.partition < 0 || e.partition >= maxPartitions) {
		s.hub.faults.report(broken, "user %d: partition %d", s.user.number, e.partition)
		return
	}
	sub := s.latest
	if sub == nil || sub.conversation.idText != string(e.conversation) {
		if sub = s.subscriptions[string(e.conversation)]; sub == nil {
			if len(e.conversation) > 0 {
				s.hub.faults.report(foreign, "user %d received an event of %s, which he is not in", s.user.number, e.conversation)
			}
			s.advance(e, live)
			return
		}
		s.latest = sub
	}
	fresh := sub.accept(e, s.hub.faults)
	inOrder := s.advance(e, live)
	if !fresh {
		return
	}
	if !inOrder {
		s.hub.faults.report(disordered, "user %d: %s came after a later position of partition %d", s.user.number, e.id, e.partition)
	}
	s.hub.count(s, sub.conversation, e, now)
}

// accept checks that e is the conversation's next event for this socket, and
// returns false when the socket has had it.
func (sub *subscription) accept(e event, faults *faults) bool {
	if !sub.known {
		sub.known, sub.base = true, e.seq-1
		sub.last.Store(e.seq - 1)
	}
	if sub.left.Load() && !sub.comeBack(e, faults) {
		return false
	}
	switch last := sub.last.Load(); {
	case e.seq == last+1:
		sub.last.Store(e.seq)
	case e.seq > last:
		// Counted when it is clear whether they were late or lost.
		sub.missing = append(sub.missing, span{last + 1, e.seq - 1})
		sub.last.Store(e.seq)
	case sub.fill(e.seq):
		faults.report(disordered, "user %d received seq %d of %s after seq %d", sub.socket.user.number, e.seq, e.conversation, last)
	default:
		faults.report(doubled, "user %d received %s, seq %d of %s, again", sub.socket.user.number, e.id, e.seq, e.conversation)
		return false
	}
	if !e.member.IsZero() && e.seq == sub.last.Load() && e.removes(sub.socket.user.id) {
		sub.left.Store(true)
	}
	return true
}

// fill takes a seq off those that are missing.
func (sub *subscription) fill(seq int64) bool {
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

// has reports whether the socket received seq.
func (sub *subscription) has(seq int64) bool {
	if !sub.known || seq <= sub.base || seq > sub.last.Load() {
		return false
	}
	return !within(sub.missing, seq) && !within(sub.away, seq)
}

// markEvent keeps which event sockets saw at a seq, and reports one that saw
// another there.
func (c *conversation) markEvent(e event, message bool, f *faults) *slot {
	s := c.seqs.slot(e.seq)
	if s == nil {
		f.report(broken, "seq %d of %s", e.seq, c.idText)
		return nil
	}
	mark := markOf(e.id, message)
	if old := s.mark.Load(); old == 0 {
		s.mark.Store(mark)
		if !e.member.IsZero() {
			c.moves = append(c.moves, move{e.seq, e.member, string(e.name) == memberAdded})
		}
		if c.whispered != nil && !message && e.seq > c.created() {
			f.report(leaked, "the log holds %s, seq %d of %s, though nothing but messages was sent", e.name, e.seq, c.idText)
		}
	} else if old != mark {
		f.report(altered, "seq %d of %s is %s on one socket and another event on another", e.seq, c.idText, e.id)
	}
	return s
}

// name tells a message in a list of offenders.
func name(c *conversation, id domain.ID, seq int64) string {
	return fmt.Sprintf("%s, seq %d of %s", id, seq, c.idText)
}
