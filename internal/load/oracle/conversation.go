package oracle

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"ping/domain"
	"ping/internal/load/workload"
)

// Conversation is what is known about one conversation.
type Conversation struct {
	plan   *workload.Conversation
	faults *Faults
	text   string // the id

	// Of a run with a mix; nil without.
	Members  *Members
	Messages *Messages

	lines   []*line
	seqs    seqTable
	lastSeq atomic.Int64 // the highest one acknowledged

	subscriptions []*Subscription
	moves         []move // joins and leaves that sockets received
	messagesOnly  bool   // see Record.ExpectOnlyMessages

	unknownMu sync.Mutex
	unknown   []uint64 // digests of sends whose outcome is unknown

	stealthDigests map[uint64]bool // of all stealth messages that were to be sent
	unknownStealth int             // how many of them have an unknown outcome

	history []Stored // as read back
	head    int64    // the last event's seq, as read back; 0 before
}

// line is a workload.Line with what was acknowledged of it.
type line struct {
	ordered bool

	mu   sync.Mutex
	acks []Ack
}

// Ack is an acknowledged message.
type Ack struct {
	ID     domain.ID
	Seq    int64
	Digest uint64 // see Digest
}

// Digest is what history must hold of a message, in eight bytes.
func Digest(author domain.ID, body string, replyTo domain.ID) uint64 {
	const prime = 0x9E3779B97F4A7C15
	return (xxhash.Sum64String(body)*prime^xxhash.Sum64(author[:]))*prime ^ xxhash.Sum64(replyTo[:])
}

func newConversation(plan *workload.Conversation, f *Faults) *Conversation {
	c := &Conversation{plan: plan, faults: f, text: plan.ID.String(), stealthDigests: map[uint64]bool{}}
	for _, l := range plan.Lines {
		c.lines = append(c.lines, &line{ordered: l.Ordered})
	}
	return c
}

// Acknowledged keeps a message that the server has promised to hold. start is
// when its first attempt began, in nanoseconds of the run.
func (c *Conversation) Acknowledged(line int, a Ack, start int64) {
	l := c.lines[line]
	l.mu.Lock()
	l.acks = append(l.acks, a)
	l.mu.Unlock()
	for old := c.lastSeq.Load(); old < a.Seq && !c.lastSeq.CompareAndSwap(old, a.Seq); old = c.lastSeq.Load() {
	}
	if s := c.seqs.slot(a.Seq); s != nil {
		s.start.Store(start)
	}
}

// Undecided keeps a message whose outcome is unknown.
func (c *Conversation) Undecided(digest uint64) {
	c.unknownMu.Lock()
	c.unknown = append(c.unknown, digest)
	c.unknownMu.Unlock()
}

// LastSeq is the highest seq of an acknowledged message; 0 before the first.
func (c *Conversation) LastSeq() int64 { return c.lastSeq.Load() }

// ReadHead takes the seq of the conversation's last event, as an inbox shows it.
func (c *Conversation) ReadHead(seq int64) { c.head = seq }

// End is the seq up to which sockets have to receive, once history was read.
func (c *Conversation) End() int64 {
	if n := len(c.history); n > 0 {
		return max(c.head, c.history[n-1].Seq)
	}
	return c.head
}

// acked is how many messages have been acknowledged.
func (c *Conversation) acked() (n int64) {
	for _, l := range c.lines {
		l.mu.Lock()
		n += int64(len(l.acks))
		l.mu.Unlock()
	}
	return n
}

// created is the last seq of the group's making: its event, and one per member.
func (c *Conversation) created() int64 { return int64(1 + len(c.plan.Members)) }

// name identifies a message in examples.
func (c *Conversation) name(id domain.ID, seq int64) string {
	return fmt.Sprintf("%s, seq %d of %s", id, seq, c.text)
}
