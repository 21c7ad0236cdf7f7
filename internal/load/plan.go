package load

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"ping/domain"
)

// plan is what a run will do: who there is, who talks where, and who sends.
type plan struct {
	users         []*user
	conversations []*conversation
	senders       []*sender
	// messages is how many messages will be sent; 0 when the time decides.
	messages int
	// idle is how many sockets the users of an idle run hold between them; 0 is
	// one each.
	idle int
	// unlinked counts replies of a corpus whose parent is not a message in it;
	// they are sent without reply_to.
	unlinked int
}

// conversation is a group and what has been learnt of it.
type conversation struct {
	name    string
	members []*user // the first creates the group
	lines   []*line

	id     domain.ID
	idText string
	path   string // of its messages
	seqs   seqTable

	partition atomic.Int32
	position  atomic.Int64 // the greatest that an acknowledgement told
	lastSeq   atomic.Int64 // the greatest seq acknowledged

	// Of the subscriptions, one for each member's socket.
	subscriptions []*subscription

	unknownMu sync.Mutex
	unknown   []uint64 // digests of sends that may or may not have happened

	// Of stealth messages; guarded by sockets.mu.
	whispered map[uint64]bool // digests of all that were to be sent
	whispers  int             // how many may or may not have been

	ledger *ledger // of a run with a mix
	moves  []move  // joins and leaves that sockets saw; guarded by sockets.mu
	head   int64   // the last event's seq, as the read-back told it; 0 before
}

// line is a run of messages into one conversation by one sender. When it is
// ordered, each was sent after the one before was acknowledged.
type line struct {
	conversation *conversation
	ordered      bool

	mu   sync.Mutex
	acks []ack
}

// ack is an acknowledged message.
type ack struct {
	id     domain.ID
	seq    int64
	digest uint64 // see digest
}

// sender sends into its lines, with at most window sends outstanding.
type sender struct {
	number int
	user   *user // of a generated load; a corpus names an author for each line
	lines  []*line
	window int
	script []utterance // of a corpus
	sent   atomic.Int64
}

// digest is what history must hold of a message, in eight bytes.
func digest(author domain.ID, body string, replyTo domain.ID) uint64 {
	const prime = 0x9E3779B97F4A7C15
	return (xxhash.Sum64String(body)*prime^xxhash.Sum64(author[:]))*prime ^ xxhash.Sum64(replyTo[:])
}

// acknowledged keeps a message that the server has promised to hold. start is
// when its first attempt began, in nanoseconds of the run.
func (l *line) acknowledged(a ack, start int64) {
	l.mu.Lock()
	l.acks = append(l.acks, a)
	l.mu.Unlock()
	raise(&l.conversation.lastSeq, a.seq)
	if s := l.conversation.seqs.slot(a.seq); s != nil {
		s.start.Store(start)
	}
}

// undecided keeps a message whose sending ended without a definite answer.
func (c *conversation) undecided(digest uint64) {
	c.unknownMu.Lock()
	c.unknown = append(c.unknown, digest)
	c.unknownMu.Unlock()
}

// heard keeps the position that the courier's answer told, if it told one.
func (c *conversation) heard(from *courier) {
	if at := from.res.Header.Peek("Ping-Position"); len(at) > 0 {
		if partition, position, err := parseAt(string(at)); err == nil {
			c.positioned(partition, position)
		}
	}
}

// positioned keeps the position that an answer told.
func (c *conversation) positioned(partition int, position int64) {
	c.partition.Store(int32(partition))
	raise(&c.position, position)
}

// raise sets v to n if n is greater.
func raise(v *atomic.Int64, n int64) {
	for {
		old := v.Load()
		if n <= old || v.CompareAndSwap(old, n) {
			return
		}
	}
}

// generated makes the plan of --groups, --members and --senders. Groups do
// not share users, except that a sender with several groups is in all of
// them: that is as few groups a user as these numbers allow.
func generated(cfg Config) *plan {
	p := &plan{messages: cfg.Messages}
	newUser := func() *user {
		u := &user{number: len(p.users)}
		p.users = append(p.users, u)
		return u
	}
	for i := range cfg.Senders {
		p.senders = append(p.senders, &sender{number: i, window: cfg.Window})
	}
	for g := range cfg.Groups {
		c := &conversation{name: fmt.Sprintf("Load group %d", g+1)}
		p.conversations = append(p.conversations, c)
		// With fewer senders than groups, a sender takes every so many groups.
		first := p.senders[g%cfg.Senders]
		if first.user == nil {
			first.user = newUser()
		}
		c.members = append(c.members, first.user)
		for len(c.members) < cfg.Members {
			c.members = append(c.members, newUser())
		}
		first.join(c)
	}
	// With more senders than groups, the groups get several, each another
	// member as long as there are any.
	for i := cfg.Groups; i < cfg.Senders; i++ {
		c := p.conversations[i%cfg.Groups]
		p.senders[i].user = c.members[i/cfg.Groups%cfg.Members]
		p.senders[i].join(c)
	}
	return p
}

func (s *sender) join(c *conversation) {
	l := &line{conversation: c, ordered: s.window == 1}
	c.lines = append(c.lines, l)
	s.lines = append(s.lines, l)
}

// sockets is how many sockets the users hold between them.
func (p *plan) sockets() int { return max(p.idle, len(p.users)) }

// rounds bounds how many messages a run may send.
func (p *plan) rounds() int64 {
	if p.messages == 0 {
		return math.MaxInt64
	}
	return int64(p.messages)
}
