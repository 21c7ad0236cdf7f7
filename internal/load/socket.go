package load

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"

	"ping/domain"
)

// socket is one user's stream, over all connections that it takes. Everything
// but atomics and link is guarded by sockets.mu.
type socket struct {
	hub  *sockets
	user *user
	link link

	// subscriptions are by the text of the conversation's id; latest is the
	// one used last, which is most often the next too.
	subscriptions map[string]*subscription
	latest        *subscription

	opened    bool          // the first `ready` has come
	ready     chan struct{} // closed then
	epoch     int
	positions []int64 // seen, by partition: where to resume
	carry     []byte  // the beginning of a frame whose end has not come yet
	partial   []byte  // of a fragmented message
	gaps      []gap   // told and not read yet
	barred    bool    // the server said not to come back
	losses    int     // connections that ended
	down      int64   // since when what is not kept may be missed; 0 is not now
	downs     []span  // when it was so before, on the run's clock
	comeBack  int64   // when the server asked it to come back, on the run's clock; 0 is at once
	slow      bool    // one of those that stop reading
	resting   bool    // it does not read now
	held      bool    // gaps are being read, and it is not read meanwhile
	woken     bool    // it reads again, and whether it was closed is not known yet
	stormed   bool    // cut by the storm, and not resumed yet

	expired   atomic.Bool  // credentials have to be renewed before connecting
	cutting   atomic.Bool  // what the connection still holds is to be thrown away
	heard     atomic.Int64 // when something last came in
	heartbeat atomic.Int64 // how often it should, in nanoseconds; 0 is not known
}

// subscription is a socket's view of one conversation.
type subscription struct {
	conversation *conversation
	socket       *socket
	index        int          // among the conversation's
	known        bool         // base is known
	base         int64        // what was there before the socket
	last         atomic.Int64 // the greatest seq received
	missing      []span       // seqs below last that have not come
	left         atomic.Bool  // its user is a member no longer
	away         []span       // seqs while he was none
}

// span is the seqs from..to.
type span struct{ from, to int64 }

// gap is a part of a conversation that the server will not replay.
type gap struct {
	subscription *subscription
	span         span
}

// next is what to do with a connection after bytes were read from it.
type next int

const (
	goOn next = iota
	readGap
	hangUp
)

// feed takes bytes from the connection, the carry of before in front, and
// returns those that it did not use.
func (s *socket) feed(b []byte, now int64) (rest []byte, n next) {
	for {
		f, size, err := parseFrame(b)
		if err != nil {
			s.hub.faults.report(broken, "user %d: %v", s.user.number, err)
			return nil, hangUp
		}
		if size == 0 {
			return b, goOn
		}
		b = b[size:]
		if n := s.frame(f, now); n != goOn {
			return b, n
		}
	}
}

func (s *socket) frame(f frame, now int64) next {
	switch f.opcode {
	case opText:
		if f.fin {
			return s.message(f.payload, now)
		}
		s.partial = append(s.partial[:0], f.payload...)
	case opContinuation:
		if s.partial = append(s.partial, f.payload...); len(s.partial) > maxFrame {
			s.hub.faults.report(broken, "user %d: %v", s.user.number, errFrameTooLong)
			return hangUp
		}
		if f.fin {
			n := s.message(s.partial, now)
			s.partial = nil
			return n
		}
	case opPing:
		s.send(opPong, f.payload)
	case opClose:
		s.closed(f.payload)
		return hangUp
	case opBinary:
		s.hub.faults.report(broken, "user %d: a binary frame", s.user.number)
	}
	return goOn
}

// closeSlow and closeExpired are the contract's codes for a client that does
// not read and for a token that is valid no longer; from closeForGood on a client does not come back by itself.
const (
	closeSlow    = 4001
	closeExpired = 4002
	closeForGood = 4500
)

func (s *socket) closed(payload []byte) {
	code := 1005 // RFC 6455: no code was given
	if len(payload) >= 2 {
		code = int(binary.BigEndian.Uint16(payload))
	}
	s.hub.counts.failed("socket closed with " + strconv.Itoa(code))
	if s.woken && code == closeSlow {
		s.woken = false
		s.hub.slow.closed++
	}
	s.expired.Store(code == closeExpired)
	if code >= closeForGood && code < 5000 {
		s.barred = true
		s.hub.faults.report(broken, "user %d: closed with %d, not to reconnect", s.user.number, code)
	}
	s.send(opClose, payload)
}

// message takes one whole message of the stream.
func (s *socket) message(b []byte, now int64) next {
	if e, ok := scanEvent(b); ok {
		s.deliver(e, now, true)
		return goOn
	}
	return s.control(b, now)
}

// serverFrame has the fields of all frames that are not events.
type serverFrame struct {
	Type          string `json:"type"`
	Epoch         int    `json:"epoch"`
	HeartbeatMS   int64  `json:"heartbeat_ms"`
	Conversations []struct {
		ID  string `json:"id"`
		Seq int64  `json:"seq"`
	} `json:"conversations"`
	At           []string `json:"at"`
	Conversation string   `json:"conversation_id"`
	FromSeq      int64    `json:"from_seq"`
	ToSeq        int64    `json:"to_seq"`
	AfterMS      int64    `json:"after_ms"`
	Code         string   `json:"code"`
}

func (s *socket) control(b []byte, now int64) next {
	var f struct{ Type string }
	if err := json.Unmarshal(b, &f); err != nil {
		s.hub.faults.report(broken, "user %d: a frame is not JSON", s.user.number)
		return goOn
	}
	if f.Type == "event" {
		e, err := decodeEvent(b)
		if err != nil {
			s.hub.faults.report(broken, "user %d: %v", s.user.number, err)
			return goOn
		}
		s.deliver(e, now, true)
		return goOn
	}
	if f.Type == "stealth" || f.Type == "stealth_gone" {
		if s.hub.stealths != nil {
			s.hub.stealths.received(s, f.Type, b, now)
		}
		return goOn
	}
	var frame serverFrame
	if err := json.Unmarshal(b, &frame); err != nil {
		s.hub.faults.report(broken, "user %d: a %s frame: %v", s.user.number, f.Type, err)
		return goOn
	}
	return s.handle(frame)
}

func (s *socket) handle(f serverFrame) next {
	switch f.Type {
	case "hello":
		s.epoch = f.Epoch
		s.heartbeat.Store(f.HeartbeatMS * 1e6)
	case "ready":
		s.begin(f)
	case "resumed":
		s.seen(f.At)
		s.cameUp(s.hub.clock.now())
		s.hub.storm.resumed(s)
	case "gap":
		if sub := s.subscriptions[f.Conversation]; sub != nil && f.FromSeq <= f.ToSeq {
			s.gaps = append(s.gaps, gap{sub, span{f.FromSeq, f.ToSeq}})
			return readGap
		}
	case "reconnect":
		s.hub.reconnectLater(s, f.AfterMS)
	case "ephemeral_gap":
		now := s.hub.clock.now()
		s.downs = append(s.downs, span{now - gapBefore, now})
	case "error":
		s.hub.counts.failed("error frame " + f.Code)
	}
	return goOn
}

// begin takes the first `ready`: where each conversation stands for this
// socket. A later one tells nothing that the socket does not know better.
func (s *socket) begin(f serverFrame) {
	if s.opened {
		return
	}
	s.opened = true
	s.cameUp(s.hub.clock.now())
	s.seen(f.At)
	for _, c := range f.Conversations {
		// A conversation that is not listed begins with its first event.
		if sub := s.subscriptions[c.ID]; sub != nil {
			sub.known, sub.base = true, c.Seq
			sub.last.Store(c.Seq)
		}
	}
	close(s.ready)
}

// seen raises the positions from which the socket would resume.
func (s *socket) seen(at []string) {
	for _, text := range at {
		if p, n, err := parseAt(text); err == nil {
			s.reach(p)
			s.positions[p] = max(s.positions[p], n)
		}
	}
}

// reach makes room for the position of a partition.
func (s *socket) reach(partition int) {
	for len(s.positions) <= partition {
		s.positions = append(s.positions, 0)
	}
}

// resume is the frame that asks for everything after what was seen.
func (s *socket) resume() []byte {
	at := make([]string, len(s.positions))
	for p, n := range s.positions {
		at[p] = strconv.Itoa(p) + ":" + strconv.FormatInt(n, 10)
	}
	b, _ := json.Marshal(map[string]any{"type": "resume", "at": at, "epoch": s.epoch}) // always encodes
	return b
}

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
	s.hub.count(sub.conversation, e, now)
}

// advance moves the position to resume from to e's.
func (s *socket) advance(e event, live bool) (inOrder bool) {
	if !live {
		return true
	}
	s.reach(e.partition)
	if e.position <= s.positions[e.partition] {
		return false
	}
	s.positions[e.partition] = e.position
	return true
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
	} else if old != mark {
		f.report(altered, "seq %d of %s is %s on one socket and another event on another", e.seq, c.idText, e.id)
	}
	return s
}

// name tells a message in a list of offenders.
func name(c *conversation, id domain.ID, seq int64) string {
	return fmt.Sprintf("%s, seq %d of %s", id, seq, c.idText)
}

// refresh tells the server new credentials, so that the stream outlives the
// old ones.
func (s *socket) refresh(c *credentials) {
	b, _ := json.Marshal(map[string]string{"type": "refresh", "access_token": c.bearer[len("Bearer "):]}) // always encodes
	s.send(opText, b)
}
