package scenario

import (
	"encoding/json"
	"sync/atomic"

	"ping/internal/load/measure"
	"ping/internal/load/oracle"
	"ping/internal/load/wire"
)

// received is what arrived on all sockets. Everything but atomics is used under
// wire.Sockets.Exclusive.
type received struct {
	sockets       []*receiver
	latency       *measure.EndToEnd
	stealths      *oracle.Stealths // nil in a run without them
	ephemeralGaps int64
	storm         *storm
	slow          slow

	events      atomic.Int64
	deliveries  atomic.Int64 // messages
	last        atomic.Int64 // when the last message arrived, not counting slow sockets
	disconnects atomic.Int64 // one by one, not by a storm
}

// receiver takes what arrives on one socket: it is judged, counted and measured.
type receiver struct {
	*wire.Socket
	record   *oracle.Socket
	received *received
	slow     bool // one of those that stop reading
	waking   bool // it continues reading, and whether it was closed is not known yet
	stormed  bool // cut by the storm, and not resumed yet
}

// receive gives each socket its receiver.
func (r *run) receive() {
	r.received = &received{latency: measure.NewEndToEnd(), storm: newStorm(r.clock)}
	for i, s := range r.sockets.All() {
		one := &receiver{Socket: s, record: r.record.Sockets[i], received: r.received}
		s.Receiver = one
		r.received.sockets = append(r.received.sockets, one)
	}
}

func (s *receiver) Ready(heads map[string]int64) {
	for id, seq := range heads {
		s.record.StartAt(id, seq)
	}
}

func (s *receiver) Began(now int64, resumed bool) {
	s.record.Began(now)
	if resumed {
		s.received.storm.resumed(s)
	}
}

func (s *receiver) Event(e wire.Event, inOrder bool, now int64) {
	start, fresh := s.record.Receive(oracle.Event{
		Conversation: e.Conversation, Seq: e.Seq, Name: e.Name, ID: e.ID, Member: e.Member, InOrder: inOrder,
	})
	if !fresh {
		return
	}
	in := s.received
	in.events.Add(1)
	if start == nil { // no message
		return
	}
	in.deliveries.Add(1)
	if s.slow { // how long it did not read is no latency
		in.slow.deliveries++
		return
	}
	in.last.Store(now)
	in.latency.Record(start, now)
}

func (s *receiver) Has(conversation string, seq int64) bool {
	sub := s.record.Subscription(conversation)
	return sub != nil && sub.Has(seq)
}

func (s *receiver) Subscribed(conversation string) bool {
	return s.record.Subscription(conversation) != nil
}

func (s *receiver) Ephemeral(kind string, frame []byte, now int64) {
	if kind == "ephemeral_gap" {
		s.received.ephemeralGaps++
		s.record.EphemeralGap(now)
		return
	}
	if s.received.stealths == nil {
		return
	}
	var m oracle.StealthMessage
	if err := json.Unmarshal(frame, &m); err != nil {
		s.Violation("a %s frame: %v", kind, err)
		return
	}
	s.received.stealths.Receive(s.record, m, kind == "stealth_gone", now)
}

func (s *receiver) Violation(format string, args ...any) {
	s.record.Report(oracle.Broken, format, args...)
}

func (s *receiver) Closed(code int) {
	if s.waking && code == wire.CloseSlow {
		s.waking = false
		s.received.slow.closed++
	}
	if code == wire.CloseInternal {
		s.record.Unprovoked("closed with %d", code)
	}
}

func (s *receiver) Lost(now int64) {
	s.record.Lost(now)
	if s.waking {
		s.waking = false
		s.received.slow.cut++
	}
}

func (s *receiver) ReadDone(now int64) {
	if s.waking && s.record.CaughtUp() {
		s.received.slow.keep(s)
	}
	s.received.latency.Settle(now)
}
