package oracle

import (
	"cmp"
	"math"
	"slices"

	"ping/domain"
	"ping/internal/load/workload"
)

// move is a member who joined or left, as sockets were told.
type move struct {
	seq    int64
	user   domain.ID
	joined bool
}

// follow works out at which seqs each user was a member, and compares the moves
// with the leaves and joins that were acknowledged. Answers to these carry no
// seq: the sockets tell the seqs, and the number of moves is what is compared.
func (c *Conversation) follow() {
	byID := map[domain.ID]*Member{}
	for _, m := range c.Members.all {
		byID[m.User.ID] = m
		m.spans = []span{{0, math.MaxInt64}}
	}
	slices.SortFunc(c.moves, func(a, b move) int { return cmp.Compare(a.seq, b.seq) })
	leaves, joins := map[*Member]int{}, map[*Member]int{}
	for _, mv := range c.moves {
		m := byID[mv.user]
		switch {
		case mv.seq <= c.created():
			// A socket may receive the making of the group.
		case m == nil || m.present() == mv.joined:
			c.faults.Report(WrongMembers, "seq %d of %s is a join or leave of %s that was not requested", mv.seq, c.text, mv.user)
		case mv.joined:
			joins[m]++
			m.spans = append(m.spans, span{mv.seq, math.MaxInt64})
		default:
			leaves[m]++
			m.spans[len(m.spans)-1].to = mv.seq
		}
	}
	for _, m := range c.Members.all {
		if n := leaves[m]; n < m.leaves || n > m.leaves+m.unknownLeaves {
			c.faults.Report(WrongMembers, "user %d left %s %d times, and sockets received %d", m.User.Number, c.text, m.leaves, n)
		}
		if n := joins[m]; n < m.joins || n > m.joins+m.unknownJoins {
			c.faults.Report(WrongMembers, "user %d rejoined %s %d times, and sockets received %d", m.User.Number, c.text, m.joins, n)
		}
	}
}

// present reports whether they are a member at the end.
func (m *Member) present() bool { return m.spans[len(m.spans)-1].to == math.MaxInt64 }

// wasMember reports whether they were a member at seq.
func (m *Member) wasMember(seq int64) bool { return within(m.spans, seq) }

// lastJoin is the seq at which they joined the last time; 0 when they never left.
func (m *Member) lastJoin() int64 { return m.spans[len(m.spans)-1].from }

// present is how many members there are at the end.
func (m *Members) present() (n int) {
	for _, one := range m.all {
		if one.present() {
			n++
		}
	}
	return n
}

func (m *Members) of(u *workload.User) *Member {
	return m.all[slices.IndexFunc(m.all, func(one *Member) bool { return one.User == u })]
}

// judgeAbsence compares when a socket was told that its user was no member with
// when they were not.
func (c *Conversation) judgeAbsence(sub *Subscription) {
	m := c.Members.of(sub.socket.User)
	var absent []span
	for i := 1; i < len(m.spans); i++ {
		if s := (span{m.spans[i-1].to + 1, m.spans[i].from - 1}); s.from <= s.to {
			absent = append(absent, s)
		}
	}
	if !slices.Equal(sub.absent, absent) || sub.left.Load() == m.present() {
		c.faults.Report(WrongMembers, "user %d's socket was not told that they left %s and rejoined", m.User.Number, c.text)
	}
}
