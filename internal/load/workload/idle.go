package workload

import "fmt"

// The users of an idle run are in blocks, and the members of each group are one
// block: as a department of a company is in its channels.
const (
	blockUsers = 50
	// BlockGroups is how many groups a block has.
	BlockGroups = 20
)

// Idle is a load of sockets that do nothing until the end.
type Idle struct{ Sockets, Users int }

// Plan makes the plan. One group per block receives a message at the end, which
// shows that every socket still receives.
func (l Idle) Plan() *Plan {
	p := &Plan{idleSockets: l.Sockets}
	for range l.Users {
		p.newUser()
	}
	for from := 0; from < l.Users; from += blockUsers {
		block := p.Users[from:min(from+blockUsers, l.Users)]
		s := &Sender{Number: len(p.Senders), User: block[0], Window: 1}
		p.Senders = append(p.Senders, s)
		for g := range BlockGroups {
			c := p.newConversation(fmt.Sprintf("Idle group %d", len(p.Conversations)+1))
			c.Members = block
			if g == 0 {
				s.join(c)
			}
		}
	}
	p.Messages = len(p.Senders)
	return p
}
