package workload

import (
	"math"
	"sync/atomic"

	"ping/domain"
)

// Plan is what a run will do: its users, its conversations, and its senders.
type Plan struct {
	Users         []*User
	Conversations []*Conversation
	Senders       []*Sender
	// Messages is how many messages will be sent; 0 when the duration decides.
	Messages int
	// Unlinked counts replies of a corpus whose parent is not a message in it;
	// they are sent without reply_to.
	Unlinked int

	idleSockets int // of an idle run, over all users; 0 is one socket per user
}

// User takes part in conversations. Their place in Plan.Users is Number.
type User struct {
	Number int
	Handle string    // of a run with a mix; "" for none
	ID     domain.ID // given by the server at registration
}

// Conversation is a group. Its place in Plan.Conversations is Number.
type Conversation struct {
	Number  int
	Name    string
	Members []*User // the first creates the group and owns it
	Lines   []*Line
	ID      domain.ID // given by the server at creation
}

// Line is a run of messages into one conversation by one sender. When it is
// ordered, each is sent after the one before was acknowledged.
type Line struct {
	Conversation *Conversation
	Number       int // among the conversation's lines
	Ordered      bool
}

// Sender sends into its lines, with at most Window sends outstanding.
type Sender struct {
	Number int
	User   *User // of a generated load; a corpus names an author per message
	Lines  []*Line
	Window int
	Script []Utterance // of a corpus

	begun atomic.Int64 // messages
}

// Next begins the sender's next message: its number, from 1, and its line.
func (s *Sender) Next() (number int64, line *Line) {
	number = s.begun.Add(1)
	return number, s.Lines[int(number-1)%len(s.Lines)]
}

// join gives the sender a line into a conversation.
func (s *Sender) join(c *Conversation) {
	l := &Line{Conversation: c, Number: len(c.Lines), Ordered: s.Window == 1}
	c.Lines = append(c.Lines, l)
	s.Lines = append(s.Lines, l)
}

func (p *Plan) newUser() *User {
	u := &User{Number: len(p.Users)}
	p.Users = append(p.Users, u)
	return u
}

func (p *Plan) newConversation(name string) *Conversation {
	c := &Conversation{Number: len(p.Conversations), Name: name}
	p.Conversations = append(p.Conversations, c)
	return c
}

// Sockets is how many sockets the users open together.
func (p *Plan) Sockets() int { return max(p.idleSockets, len(p.Users)) }

// Rounds is the maximum number of messages that a run may send.
func (p *Plan) Rounds() int64 {
	if p.Messages == 0 {
		return math.MaxInt64
	}
	return int64(p.Messages)
}
