package workload

import (
	"fmt"
	"strconv"
)

// Generated is a load of equal groups.
type Generated struct {
	Groups, Members int
	Senders, Window int
	Messages        int // that end the sending; 0 for none
}

// Plan makes the plan. Groups do not share users, except that a sender with
// several groups is a member of all of them: no user is in more groups than
// these numbers need.
func (g Generated) Plan() *Plan {
	p := &Plan{Messages: g.Messages}
	for i := range g.Senders {
		p.Senders = append(p.Senders, &Sender{Number: i, Window: g.Window})
	}
	for i := range g.Groups {
		c := p.newConversation(fmt.Sprintf("Load group %d", i+1))
		// With fewer senders than groups, the groups are dealt to them in turn.
		first := p.Senders[i%g.Senders]
		if first.User == nil {
			first.User = p.newUser()
		}
		c.Members = append(c.Members, first.User)
		for len(c.Members) < g.Members {
			c.Members = append(c.Members, p.newUser())
		}
		first.join(c)
	}
	// With more senders than groups, a group has several, each another member
	// while there are any.
	for i := g.Groups; i < g.Senders; i++ {
		c := p.Conversations[i%g.Groups]
		p.Senders[i].User = c.Members[i/g.Groups%g.Members]
		p.Senders[i].join(c)
	}
	return p
}

// MinBody is the minimum length of a generated body in bytes: the largest
// numbers that make bodies differ fit in.
const MinBody = 24

// AppendBody appends a body of size bytes that no other message of a run has.
func AppendBody(b []byte, sender int, n int64, size int) []byte {
	const filler = "the quick brown fox jumps over the lazy dog "
	from := len(b)
	b = strconv.AppendInt(b, int64(sender), 36)
	b = append(b, ' ')
	b = strconv.AppendInt(b, n, 36)
	b = append(b, ' ')
	for len(b)-from < size-1 {
		b = append(b, filler[:min(len(filler), size-1-(len(b)-from))]...)
	}
	return append(b, '.') // trailing white space would be hard to see
}
