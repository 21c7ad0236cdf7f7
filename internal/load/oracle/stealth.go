package oracle

import (
	"time"

	"ping/domain"
)

// Stealths are the stealth messages of a run: what was asked, what was answered,
// and what each socket was told.
type Stealths struct {
	record    *Record
	faults    *Faults
	sent      int64
	withdrawn int64
	all       map[domain.ID]*Stealth
}

// Stealth is one stealth message. Times are on the run's clock; 0 is not yet.
type Stealth struct {
	ID           domain.ID
	conversation *Conversation
	content      content
	// Until it is acknowledged, only sockets know it.
	start, acked, expires  int64
	withdrawing, withdrawn int64
	received               []receivedStealth // by subscription
}

// content is what everyone has to be told of a stealth message.
type content struct {
	digest        uint64 // of author and body
	sent, expires int64  // Unix time in nanoseconds
}

// receivedStealth is what one socket was told of a stealth message.
type receivedStealth struct {
	at, gone    int64 // the first time; 0 is never
	times, ends int32
	withdrawn   bool // the reason of its end
}

// StealthMessage is a stealth message of the contract, in an answer or a frame,
// or the frame that tells its end.
type StealthMessage struct {
	ID           domain.ID `json:"id"`
	Conversation domain.ID `json:"conversation_id"`
	Author       domain.ID `json:"author_id"`
	Body         string    `json:"body"`
	SentAt       time.Time `json:"sent_at"`
	ExpiresAt    time.Time `json:"expires_at"`
	Reason       string    `json:"reason"`
}

func (m StealthMessage) content() content {
	return content{Digest(m.Author, m.Body, domain.ID{}), m.SentAt.UnixNano(), m.ExpiresAt.UnixNano()}
}

// NewStealths begins the record of a run's stealth messages.
func NewStealths(r *Record) *Stealths {
	return &Stealths{record: r, faults: r.Faults, all: map[domain.ID]*Stealth{}}
}

// of returns what is known about a stealth message.
func (x *Stealths) of(id domain.ID, c *Conversation) *Stealth {
	m := x.all[id]
	if m == nil {
		m = &Stealth{ID: id, conversation: c, received: make([]receivedStealth, len(c.subscriptions))}
		x.all[id] = m
	}
	return m
}

// Sending notes that a stealth message with a Digest is about to be sent.
func (x *Stealths) Sending(c *Conversation, digest uint64) { c.stealthDigests[digest] = true }

// Undecided notes that one has an unknown outcome.
func (x *Stealths) Undecided(c *Conversation) { c.unknownStealth++ }

// Acknowledged keeps a stealth message that the server has promised to deliver,
// with what was asked for: a digest and a time to live. expires is when it
// expires, on the run's clock.
func (x *Stealths) Acknowledged(c *Conversation, digest uint64, ttl time.Duration, got StealthMessage, start, now, expires int64) *Stealth {
	if got.Conversation != c.plan.ID || got.content().digest != digest || got.ExpiresAt.Sub(got.SentAt) != ttl {
		x.faults.Report(StealthAltered, "the answer to stealth message %s of %s is not what was sent", got.ID, c.text)
	}
	m := x.of(got.ID, c)
	if m.content != (content{}) && m.content != got.content() {
		x.faults.Report(StealthAltered, "stealth message %s of %s differs between sockets and author", m.ID, c.text)
	}
	m.content, m.start, m.acked, m.expires = got.content(), start, now, expires
	x.sent++
	return m
}

// Sent is how many stealth messages were acknowledged.
func (x *Stealths) Sent() int64 { return x.sent }

// Withdrawing notes that the withdrawal of a stealth message begins.
func (x *Stealths) Withdrawing(m *Stealth, now int64) { m.withdrawing = now }

// Withdrawn notes that it was acknowledged.
func (x *Stealths) Withdrawn(m *Stealth, now int64) {
	m.withdrawn = now
	x.withdrawn++
}

// Receive takes a stealth frame of a socket, or, when gone, a stealth_gone frame.
func (x *Stealths) Receive(s *Socket, f StealthMessage, gone bool, now int64) {
	sub := s.subscriptions[f.Conversation.String()]
	if sub == nil {
		s.Report(Foreign, "received stealth message %s of %s, of which they are no member", f.ID, f.Conversation)
		return
	}
	m := x.of(f.ID, sub.conversation)
	if m.conversation != sub.conversation {
		s.Report(StealthAltered, "received stealth message %s in %s too", f.ID, f.Conversation)
		return
	}
	told := &m.received[sub.index]
	if !gone {
		x.receive(s, m, told, f, now)
		return
	}
	if told.ends++; told.ends > 1 {
		s.Report(StealthDoubled, "told twice that stealth message %s is gone", f.ID)
		return
	}
	if f.Reason != "expired" && f.Reason != "withdrawn" {
		s.Report(Broken, "stealth message %s is gone for the reason %q", f.ID, f.Reason)
	}
	told.gone, told.withdrawn = now, f.Reason == "withdrawn"
}

func (x *Stealths) receive(s *Socket, m *Stealth, told *receivedStealth, f StealthMessage, now int64) {
	if told.times++; told.times > 1 {
		s.Report(StealthDoubled, "received stealth message %s twice", f.ID)
		return
	}
	if told.ends > 0 {
		s.Report(Disordered, "received stealth message %s after it was gone", f.ID)
	}
	told.at = now
	if m.content == (content{}) {
		m.content = f.content()
	}
	if m.content != f.content() {
		s.Report(StealthAltered, "received stealth message %s with other content", f.ID)
	}
}
