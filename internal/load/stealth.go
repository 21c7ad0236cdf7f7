package load

import (
	"context"
	"encoding/json"
	"time"

	"github.com/valyala/fasthttp"

	"ping/domain"
)

const (
	stealthEvery  = 5  // of a sender's actions, which are stealth messages
	withdrawEvery = 10 // of all stealth messages, which are withdrawn at once
)

// stealths are the stealth messages of a run: what was asked, what was answered,
// and what each socket was told. sockets.mu guards what is not atomic.
type stealths struct {
	sending *sending
	hub     *sockets
	posted  int64
	taken   int64 // that were withdrawn
	all     map[domain.ID]*stealth
	ack     *histogram
}

// stealth is one stealth message.
type stealth struct {
	id           domain.ID
	conversation *conversation
	said         said
	// On the run's clock; 0 is not yet. Until it is acknowledged, sockets alone
	// know it.
	start, acked, expires  int64
	withdrawing, withdrawn int64
	seen                   []seen // by subscription
}

// said is what everyone has to be told of a stealth message.
type said struct {
	digest        uint64 // of author and body
	sent, expires int64  // Unix time in nanoseconds
}

// seen is what one socket was told of a stealth message.
type seen struct {
	at, gone    int64 // the first time; 0 is never
	times, ends int32
	withdrawn   bool // the reason of its end
}

// stealthFrame is a stealth message of the contract, in an answer or a frame, or
// the frame that tells its end.
type stealthFrame struct {
	ID           domain.ID `json:"id"`
	Conversation domain.ID `json:"conversation_id"`
	Author       domain.ID `json:"author_id"`
	Body         string    `json:"body"`
	SentAt       time.Time `json:"sent_at"`
	ExpiresAt    time.Time `json:"expires_at"`
	Reason       string    `json:"reason"`
}

func (f stealthFrame) said() said {
	return said{digest(f.Author, f.Body, domain.ID{}), f.SentAt.UnixNano(), f.ExpiresAt.UnixNano()}
}

func newStealths(s *sending, h *sockets) *stealths {
	return &stealths{sending: s, hub: h, all: map[domain.ID]*stealth{}, ack: newHistogram()}
}

// of returns what is known of a stealth message. sockets.mu is held.
func (x *stealths) of(id domain.ID, c *conversation) *stealth {
	m := x.all[id]
	if m == nil {
		m = &stealth{id: id, conversation: c, seen: make([]seen, len(c.subscriptions))}
		x.all[id] = m
	}
	return m
}

// post sends a stealth message, and takes some of them back. n numbers the
// sender's actions.
func (x *stealths) post(ctx context.Context, c *courier, l *line, from *sender, body string, n, start int64) {
	group, s := l.conversation, x.sending
	d := digest(from.user.id, body, domain.ID{})
	x.hub.mu.Lock()
	if group.whispered == nil {
		group.whispered = map[uint64]bool{}
	}
	group.whispered[d] = true
	x.hub.mu.Unlock()

	seconds := 2 + n/stealthEvery%4
	c.begin(fasthttp.MethodPost, "/v1/conversations/"+group.idText+"/stealth")
	c.req.Header.SetContentType("application/json")
	c.req.Header.Set("Idempotency-Key", s.key(from.number, n))
	c.body, _ = json.Marshal(map[string]any{"body": body, "ttl_seconds": seconds}) // always encodes
	err := c.do(ctx, from.user, true)
	var got stealthFrame
	if err == nil {
		if err = json.Unmarshal(c.res.Body(), &got); err != nil {
			s.counts.failed("unreadable answer to a stealth message")
		}
	}
	if err != nil {
		if s.failed(err, from.user, "stealth message", group) == unknown {
			x.hub.mu.Lock()
			group.whispers++
			x.hub.mu.Unlock()
		}
		return
	}
	if got.Conversation != group.id || got.said().digest != d || got.ExpiresAt.Sub(got.SentAt) != time.Duration(seconds)*time.Second {
		x.hub.faults.report(stealthAltered, "the answer to stealth message %s of %s is not what was sent", got.ID, group.idText)
	}
	if m, withdraw := x.acknowledged(group, got, start); withdraw {
		x.withdraw(ctx, c, from.user, m)
	}
}

// acknowledged keeps a stealth message that the server has promised to tell, and
// says whether it is one of those to withdraw.
func (x *stealths) acknowledged(c *conversation, got stealthFrame, start int64) (m *stealth, withdraw bool) {
	now := x.sending.clock.now()
	x.ack.record(now - start)
	raise(&x.sending.ended, now)
	x.hub.mu.Lock()
	defer x.hub.mu.Unlock()
	m = x.of(got.ID, c)
	if m.said != (said{}) && m.said != got.said() {
		x.hub.faults.report(stealthAltered, "stealth message %s of %s is another to sockets than to its author", m.id, c.idText)
	}
	m.said, m.start, m.acked = got.said(), start, now
	m.expires = int64(got.ExpiresAt.Sub(x.sending.clock.zero.Round(0))) // by the wall clock, as servers count
	x.posted++
	return m, x.posted%withdrawEvery == 0
}

func (x *stealths) withdraw(ctx context.Context, c *courier, author *user, m *stealth) {
	x.hub.mu.Lock()
	m.withdrawing = x.sending.clock.now()
	x.hub.mu.Unlock()
	c.begin(fasthttp.MethodDelete, "/v1/conversations/"+m.conversation.idText+"/stealth/"+m.id.String())
	if err := c.do(ctx, author, true); err != nil {
		x.sending.failed(err, author, "withdrawal of stealth message "+m.id.String(), m.conversation)
		return
	}
	x.hub.mu.Lock()
	defer x.hub.mu.Unlock()
	m.withdrawn = x.sending.clock.now()
	x.taken++
}

// received takes a frame about a stealth message. sockets.mu is held.
func (x *stealths) received(s *socket, kind string, b []byte, now int64) {
	var f stealthFrame
	if err := json.Unmarshal(b, &f); err != nil {
		x.hub.faults.report(broken, "user %d: a %s frame: %v", s.user.number, kind, err)
		return
	}
	sub := s.subscriptions[f.Conversation.String()]
	if sub == nil {
		x.hub.faults.report(foreign, "user %d received stealth message %s of %s, which he is not in", s.user.number, f.ID, f.Conversation)
		return
	}
	m := x.of(f.ID, sub.conversation)
	w := &m.seen[sub.index]
	if m.conversation != sub.conversation {
		x.hub.faults.report(stealthAltered, "user %d received stealth message %s in %s too", s.user.number, f.ID, f.Conversation)
		return
	}
	if kind == "stealth" {
		x.told(s, m, w, f, now)
		return
	}
	if w.ends++; w.ends > 1 {
		x.hub.faults.report(stealthDoubled, "user %d was told again that stealth message %s is gone", s.user.number, f.ID)
		return
	}
	if f.Reason != "expired" && f.Reason != "withdrawn" {
		x.hub.faults.report(broken, "user %d: stealth message %s is gone for the reason %q", s.user.number, f.ID, f.Reason)
	}
	w.gone, w.withdrawn = now, f.Reason == "withdrawn"
}

func (x *stealths) told(s *socket, m *stealth, w *seen, f stealthFrame, now int64) {
	if w.times++; w.times > 1 {
		x.hub.faults.report(stealthDoubled, "user %d received stealth message %s again", s.user.number, f.ID)
		return
	}
	if w.ends > 0 {
		x.hub.faults.report(disordered, "user %d received stealth message %s after it was gone", s.user.number, f.ID)
	}
	w.at = now
	if m.said == (said{}) {
		m.said = f.said()
	}
	if m.said != f.said() {
		x.hub.faults.report(stealthAltered, "user %d received stealth message %s otherwise than it is", s.user.number, f.ID)
	}
}
