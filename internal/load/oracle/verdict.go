package oracle

import (
	"slices"

	"ping/domain"
)

// Judge compares what was acknowledged, what history holds and what sockets
// received, and reports every difference. Nothing sends or receives any more.
func (r *Record) Judge() {
	for _, c := range r.Conversations {
		if c.Members != nil {
			c.follow()
		}
		c.judgeHistory()
		for _, sub := range c.subscriptions {
			c.judgeSocket(sub)
			if c.Members != nil {
				c.judgeAbsence(sub)
			}
		}
	}
}

// historyVerdict is the work of comparing a conversation's history with what was
// acknowledged.
type historyVerdict struct {
	*Conversation
	indexes  map[domain.ID]int // in history
	expected []bool            // that a message of history has a reason to be there
	sent     map[uint64]bool   // digests of what was acknowledged
	lost     map[int64]bool    // seqs of messages that were reported lost
}

// judgeHistory compares a conversation's history, oldest first, with what was
// acknowledged and with the ids that sockets received.
func (c *Conversation) judgeHistory() {
	v := &historyVerdict{Conversation: c, indexes: make(map[domain.ID]int, len(c.history)),
		expected: make([]bool, len(c.history)), sent: map[uint64]bool{}, lost: map[int64]bool{}}
	for i, m := range c.history {
		if _, there := v.indexes[m.ID]; there {
			c.faults.Report(Doubled, "history holds %s more than once", c.name(m.ID, m.Seq))
			v.expected[i] = true // one report is enough
			continue
		}
		v.indexes[m.ID] = i
	}
	for _, l := range c.lines {
		v.judgeLine(l)
	}
	unknown := map[uint64]int{}
	for _, d := range c.unknown {
		unknown[d]++
	}
	for i, m := range c.history {
		switch {
		case v.expected[i]:
		case unknown[m.Digest] > 0:
			unknown[m.Digest]--
		case v.sent[m.Digest]:
			c.faults.Report(Doubled, "history holds %s, which was acknowledged with another id", c.name(m.ID, m.Seq))
		case c.stealthDigests[m.Digest]:
			c.faults.Report(Leaked, "history holds %s", c.name(m.ID, m.Seq))
		default:
			c.faults.Report(Foreign, "history holds %s", c.name(m.ID, m.Seq))
		}
	}
	v.judgeSeqs()
}

// judgeLine looks up each acknowledged message of a line in history.
func (v *historyVerdict) judgeLine(l *line) {
	var before int64
	for _, a := range l.acks {
		v.sent[a.Digest] = true
		i, there := v.indexes[a.ID]
		if !there {
			v.faults.Report(Lost, "history lacks %s", v.name(a.ID, a.Seq))
			v.lost[a.Seq] = true
			continue
		}
		if v.expected[i] {
			v.faults.Report(Altered, "%s was the answer to two sends", v.name(a.ID, a.Seq))
		}
		v.expected[i] = true
		m := v.history[i]
		if m.Seq != a.Seq {
			v.faults.Report(Altered, "%s was acknowledged with seq %d", v.name(m.ID, m.Seq), a.Seq)
		}
		if v.Messages != nil {
			v.judgeMessage(a, m)
		} else if m.Digest != a.Digest {
			v.faults.Report(Altered, "body, author or reply_to of %s is not as sent", v.name(m.ID, m.Seq))
		}
		if l.ordered && m.Seq <= before {
			v.faults.Report(Disordered, "%s was sent after the answer with seq %d", v.name(m.ID, m.Seq), before)
		}
		before = m.Seq
	}
}

// judgeSeqs compares history with the events that sockets received, seq by seq.
// A seq is a message in both, or another event, or else it has no event.
func (v *historyVerdict) judgeSeqs() {
	if len(v.history) == 0 {
		return
	}
	watched := slices.ContainsFunc(v.subscriptions, func(s *Subscription) bool { return s.known })
	next := v.history[0].Seq
	for i, m := range v.history {
		if i > 0 && m.Seq == v.history[i-1].Seq {
			v.faults.Report(Doubled, "history holds two messages with seq %d of %s", m.Seq, v.text)
			continue
		}
		for ; next < m.Seq; next++ {
			v.judgeHole(next)
		}
		next = m.Seq + 1
		s := v.seqs.slot(m.Seq)
		if s == nil {
			v.faults.Report(Broken, "history holds %s", v.name(m.ID, m.Seq))
			return
		}
		if mark := s.mark.Load(); watched && mark != 0 && mark != markOf(m.ID, true) {
			v.faults.Report(Altered, "sockets received another event than %s", v.name(m.ID, m.Seq))
		}
	}
	for _, sub := range v.subscriptions {
		for ; next <= sub.last.Load(); next++ {
			v.judgeHole(next)
		}
	}
}

// judgeHole judges a seq at which history holds no message.
func (v *historyVerdict) judgeHole(seq int64) {
	s := v.seqs.slot(seq)
	switch {
	case s == nil || v.lost[seq]:
	case s.mark.Load() == 0:
		v.faults.Report(Gapped, "seq %d of %s has no event", seq, v.text)
	case isMessage(s.mark.Load()):
		v.faults.Report(Lost, "history lacks the message that sockets received as seq %d of %s", seq, v.text)
	}
}

// judgeSocket counts the messages of history that a member's socket has not
// received. All were sent after the socket was ready.
func (c *Conversation) judgeSocket(sub *Subscription) {
	messages := make(map[int64]bool)
	for _, m := range c.history {
		if sub.Has(m.Seq) || !sub.owes(m.Seq) {
			continue
		}
		messages[m.Seq] = true
		c.faults.Report(Lost, "user %d did not receive %s", sub.socket.User.Number, c.name(m.ID, m.Seq))
	}
	gapped := func(seq int64) {
		if !messages[seq] {
			c.faults.Report(Gapped, "user %d did not receive seq %d of %s", sub.socket.User.Number, seq, c.text)
		}
	}
	for _, hole := range sub.missing {
		for seq := hole.from; seq <= hole.to; seq++ {
			gapped(seq)
		}
	}
	for seq := sub.last.Load() + 1; seq <= c.head && !sub.left.Load(); seq++ {
		gapped(seq)
	}
}
