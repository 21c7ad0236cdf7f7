package oracle

import (
	"time"

	"ping/domain"
)

const (
	// goneWithin is how late a socket may be told that a stealth message is
	// gone, and goneBefore how early: two readings of a machine's clocks differ.
	goneWithin = int64(6 * time.Second)
	goneBefore = int64(50 * time.Millisecond)
	// deliveredWithin is how long after its acknowledgement a stealth message may
	// be on its way to a socket that loses its connection.
	deliveredWithin = int64(2 * time.Second)
)

// ends returns from when and until when sockets are to be told that it is gone.
func (m *Stealth) ends() (from, until int64) {
	from, until = m.expires, m.expires+goneWithin
	if m.withdrawing > 0 {
		from = m.withdrawing
	}
	if m.withdrawn > 0 {
		until = m.withdrawn + goneWithin
	}
	return from, until
}

// Waiting returns how many ends sockets are still to be told, and until when.
func (x *Stealths) Waiting() (n int, until int64) {
	for _, m := range x.all {
		if m.acked == 0 {
			continue
		}
		from, to := m.ends()
		for i, told := range m.received {
			if told.ends == 0 && !m.conversation.subscriptions[i].socket.excused(from, to) {
				n++
				until = max(until, to)
			}
		}
	}
	return n, until
}

// LastEnd is when the last of the stealth messages was to be gone.
func (x *Stealths) LastEnd() (last int64) {
	for _, m := range x.all {
		end := m.expires
		if m.withdrawn > 0 {
			end = m.withdrawn
		}
		last = max(last, end)
	}
	return last
}

// JudgeListed judges a stealth message that a conversation lists: one that is
// gone must not be listed. One with an unknown outcome may, until it expires.
func (x *Stealths) JudgeListed(conversation, id domain.ID, expired bool) {
	m := x.all[id]
	if m != nil && m.withdrawn > 0 || expired {
		x.faults.Report(Leaked, "%s still lists stealth message %s, which is gone", conversation, id)
	}
}

// StealthCounts sums up the stealth messages of a run.
type StealthCounts struct {
	Sent, Withdrawn, Deliveries int64
	Excused                     int64 // what sockets missed with an excuse
}

// Judge compares what was acknowledged with what sockets were told, and gives
// the time that each delivery took and how long after its expiry each end was
// told. Nothing is told any more.
func (x *Stealths) Judge(endToEnd, goneLate func(ns int64)) StealthCounts {
	sum := StealthCounts{Sent: x.sent, Withdrawn: x.withdrawn}
	unrequested := map[*Conversation]int{}
	for _, m := range x.all {
		c := m.conversation
		if m.acked == 0 {
			if unrequested[c]++; unrequested[c] > c.unknownStealth {
				x.faults.Report(Foreign, "sockets received stealth message %s of %s", m.ID, c.text)
			}
			continue
		}
		for i, told := range m.received {
			if told.times > 0 {
				sum.Deliveries++
				endToEnd(told.at - m.start)
			}
			if told.ends > 0 && !told.withdrawn {
				goneLate(told.gone - m.expires)
			}
			sum.Excused += m.judgeSocket(c.subscriptions[i].socket, told)
		}
	}
	return sum
}

// judgeSocket judges what one socket was told of one stealth message, and
// returns how much it missed with an excuse.
func (m *Stealth) judgeSocket(s *Socket, told receivedStealth) (excused int64) {
	if told.times == 0 {
		if s.excused(m.start, m.acked+deliveredWithin) {
			excused++
		} else {
			s.Report(StealthLost, "did not receive stealth message %s of %s", m.ID, m.conversation.text)
		}
	}
	from, until := m.ends()
	switch {
	case told.ends == 0 && s.excused(from, until):
		excused++
	case told.ends == 0:
		s.Report(GoneMissing, "not told that stealth message %s is gone", m.ID)
	case told.gone > until && !s.excused(from, told.gone):
		s.Report(GoneMissing, "told %s late that stealth message %s is gone", time.Duration(told.gone-until+goneWithin), m.ID)
	case told.withdrawn && m.withdrawing == 0:
		s.Report(GoneEarly, "told that stealth message %s is withdrawn, though it was not", m.ID)
	case !told.withdrawn && told.gone < m.expires-goneBefore:
		s.Report(GoneEarly, "told that stealth message %s has expired, %s before it does", m.ID, time.Duration(m.expires-told.gone))
	case told.withdrawn && told.gone < m.withdrawing:
		s.Report(GoneEarly, "told that stealth message %s is withdrawn, before it was", m.ID)
	}
	return excused
}
