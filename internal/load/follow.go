package load

import (
	"cmp"
	"math"
	"slices"

	"ping/domain"
)

// move is a member who joined or left, as sockets saw it.
type move struct {
	seq    int64
	user   domain.ID
	joined bool
}

// follow works out at which seqs who was a member, and compares that with the
// leaves and joins that were acknowledged: these have no seqs, so the stream is
// what tells them, and how many there were tells whether it is right.
func (l *ledger) follow(c *conversation, f *faults) {
	byID := map[domain.ID]*member{}
	for _, m := range l.members {
		byID[m.user.id] = m
		m.spans = []span{{0, math.MaxInt64}}
	}
	slices.SortFunc(c.moves, func(a, b move) int { return cmp.Compare(a.seq, b.seq) })
	leaves, joins := map[*member]int{}, map[*member]int{}
	for _, mv := range c.moves {
		m := byID[mv.user]
		switch {
		case mv.seq <= c.created():
			// A socket may see how the group was made.
		case m == nil || m.present() == mv.joined:
			f.report(wrongMembers, "seq %d of %s is a move of %s that nobody asked for", mv.seq, c.idText, mv.user)
		case mv.joined:
			joins[m]++
			m.spans = append(m.spans, span{mv.seq, math.MaxInt64})
		default:
			leaves[m]++
			m.spans[len(m.spans)-1].to = mv.seq
		}
	}
	for _, m := range l.members {
		if n := leaves[m]; n < m.leaves || n > m.leaves+m.leavesPerhaps {
			f.report(wrongMembers, "user %d left %s %d times, and sockets saw %d", m.user.number, c.idText, m.leaves, n)
		}
		if n := joins[m]; n < m.joins || n > m.joins+m.joinsPerhaps {
			f.report(wrongMembers, "user %d came back to %s %d times, and sockets saw %d", m.user.number, c.idText, m.joins, n)
		}
	}
}

// created is the last seq of how the group was made: it, and each member.
func (c *conversation) created() int64 { return int64(1 + len(c.members)) }

// present reports whether he is a member at the end.
func (m *member) present() bool { return m.spans[len(m.spans)-1].to == math.MaxInt64 }

// wasMember reports whether he was a member at seq.
func (m *member) wasMember(seq int64) bool { return within(m.spans, seq) }

// joinedLast is the seq at which he joined the last time; 0 when he never left.
func (m *member) joinedLast() int64 { return m.spans[len(m.spans)-1].from }

// judgeAway compares when a socket was told to be outside with when its user was.
func judgeAway(sub *subscription, f *faults) {
	c := sub.conversation
	m := c.ledger.of(sub.socket.user)
	var away []span
	for i := 1; i < len(m.spans); i++ {
		if s := (span{m.spans[i-1].to + 1, m.spans[i].from - 1}); s.from <= s.to {
			away = append(away, s)
		}
	}
	if !slices.Equal(sub.away, away) || sub.left.Load() == m.present() {
		f.report(wrongMembers, "user %d's socket was not told when he left %s and came back", m.user.number, c.idText)
	}
}

func (l *ledger) of(u *user) *member {
	return l.members[slices.IndexFunc(l.members, func(m *member) bool { return m.user == u })]
}

// comeBack takes the event that adds the user again after he had left, and
// reports any other: it is not his.
func (sub *subscription) comeBack(e event, faults *faults) bool {
	last := sub.last.Load()
	if e.seq <= last || !e.adds(sub.socket.user.id) {
		faults.report(foreign, "user %d, who had left, received %s, seq %d of %s", sub.socket.user.number, e.id, e.seq, e.conversation)
		return false
	}
	if last+1 < e.seq {
		sub.away = append(sub.away, span{last + 1, e.seq - 1})
	}
	sub.last.Store(e.seq - 1)
	sub.left.Store(false)
	return true
}

// owes reports whether the user was a member at seq, as far as his socket was
// told.
func (sub *subscription) owes(seq int64) bool {
	return !within(sub.away, seq) && !(sub.left.Load() && seq > sub.last.Load())
}

func within(spans []span, seq int64) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return seq >= s.from && seq <= s.to })
}
