package load

import (
	"slices"

	"ping/domain"
)

// judge compares what was acknowledged, what history holds and what sockets
// received, and reports every difference. Nothing sends or receives any more.
func judge(p *plan, histories map[*conversation][]stored, f *faults) {
	for _, c := range p.conversations {
		history := histories[c]
		if c.ledger != nil {
			c.ledger.follow(c, f)
		}
		judgeHistory(c, history, f)
		for _, sub := range c.subscriptions {
			judgeSocket(sub, history, f)
			if c.ledger != nil {
				judgeAway(sub, f)
			}
		}
	}
}

// judgeHistory compares a conversation's history, oldest first, with what was
// acknowledged and with the ids that sockets saw.
func judgeHistory(c *conversation, history []stored, f *faults) {
	places := make(map[domain.ID]int, len(history))
	expected := make([]bool, len(history)) // that a message has a reason to be there
	for i, m := range history {
		if _, there := places[m.id]; there {
			f.report(doubled, "history holds %s more than once", name(c, m.id, m.seq))
			expected[i] = true // told once is enough
			continue
		}
		places[m.id] = i
	}
	sent, told := map[uint64]bool{}, map[int64]bool{}
	for _, l := range c.lines {
		judgeLine(l, history, places, expected, sent, told, f)
	}
	unknown := map[uint64]int{}
	for _, d := range c.unknown {
		unknown[d]++
	}
	for i, m := range history {
		switch {
		case expected[i]:
		case unknown[m.digest] > 0:
			unknown[m.digest]--
		case sent[m.digest]:
			f.report(doubled, "history holds %s, which was acknowledged with another id", name(c, m.id, m.seq))
		case c.whispered[m.digest]:
			f.report(leaked, "history holds %s", name(c, m.id, m.seq))
		default:
			f.report(foreign, "history holds %s", name(c, m.id, m.seq))
		}
	}
	judgeSeqs(c, history, told, f)
}

// judgeLine looks each acknowledged message of a line up in history. It fills
// sent with what was acknowledged and told with the seqs that it reports lost.
func judgeLine(l *line, history []stored, places map[domain.ID]int, expected []bool, sent map[uint64]bool, told map[int64]bool, f *faults) {
	c := l.conversation
	var before int64
	for _, a := range l.acks {
		sent[a.digest] = true
		i, there := places[a.id]
		if !there {
			f.report(lost, "history lacks %s", name(c, a.id, a.seq))
			told[a.seq] = true
			continue
		}
		if expected[i] {
			f.report(altered, "%s was the answer to two sends", name(c, a.id, a.seq))
		}
		expected[i] = true
		m := history[i]
		if m.seq != a.seq {
			f.report(altered, "%s was acknowledged with seq %d", name(c, m.id, m.seq), a.seq)
		}
		if c.ledger != nil {
			c.ledger.judgeMessage(c, a, m, f)
		} else if m.digest != a.digest {
			f.report(altered, "body, author or reply_to of %s is not as sent", name(c, m.id, m.seq))
		}
		if l.ordered && m.seq <= before {
			f.report(disordered, "%s was sent after the answer with seq %d", name(c, m.id, m.seq), before)
		}
		before = m.seq
	}
}

// judgeSeqs compares a history with the events that sockets saw, seq by seq.
// A seq is a message in both, or another event, or else it is no event's. told
// are the seqs of messages that were reported lost already.
func judgeSeqs(c *conversation, history []stored, told map[int64]bool, f *faults) {
	if len(history) == 0 {
		return
	}
	watched := slices.ContainsFunc(c.subscriptions, func(s *subscription) bool { return s.known })
	next := history[0].seq
	for i, m := range history {
		if i > 0 && m.seq == history[i-1].seq {
			f.report(doubled, "history holds two messages with seq %d of %s", m.seq, c.idText)
			continue
		}
		for ; next < m.seq; next++ {
			judgeHole(c, next, told, f)
		}
		next = m.seq + 1
		s := c.seqs.slot(m.seq)
		if s == nil {
			f.report(broken, "history holds %s", name(c, m.id, m.seq))
			return
		}
		if mark := s.mark.Load(); watched && mark != 0 && mark != markOf(m.id, true) {
			f.report(altered, "sockets received another event than %s", name(c, m.id, m.seq))
		}
	}
	for _, sub := range c.subscriptions {
		for ; next <= sub.last.Load(); next++ {
			judgeHole(c, next, told, f)
		}
	}
}

// judgeHole judges a seq at which history holds no message.
func judgeHole(c *conversation, seq int64, told map[int64]bool, f *faults) {
	s := c.seqs.slot(seq)
	switch {
	case s == nil || told[seq]:
	case s.mark.Load() == 0:
		f.report(gapped, "seq %d of %s is no event's", seq, c.idText)
	case isMessage(s.mark.Load()):
		f.report(lost, "history lacks the message that sockets received as seq %d of %s", seq, c.idText)
	}
}

// judgeSocket counts the messages of a conversation's history that a member's
// socket has not received. All were sent after the socket was ready.
func judgeSocket(sub *subscription, history []stored, f *faults) {
	messages := make(map[int64]bool)
	for _, m := range history {
		if sub.has(m.seq) || !sub.owes(m.seq) {
			continue
		}
		messages[m.seq] = true
		f.report(lost, "user %d did not receive %s", sub.socket.user.number, name(sub.conversation, m.id, m.seq))
	}
	for _, hole := range sub.missing {
		for seq := hole.from; seq <= hole.to; seq++ {
			if !messages[seq] {
				f.report(gapped, "user %d did not receive seq %d of %s", sub.socket.user.number, seq, sub.conversation.idText)
			}
		}
	}
	for seq := sub.last.Load() + 1; seq <= sub.conversation.head && !sub.left.Load(); seq++ {
		if !messages[seq] {
			f.report(gapped, "user %d did not receive seq %d of %s", sub.socket.user.number, seq, sub.conversation.idText)
		}
	}
}
