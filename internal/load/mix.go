package load

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// The mixes of a generated load.
const (
	mixSends     = "sends"     // nothing but messages
	mixRealistic = "realistic" // what people do in a busy group, see realistic
)

// action is a sort of thing that people do in a group.
type action int

const (
	actSend action = iota
	actReply
	actMention
	actReact
	actUnreact
	actRead
	actEdit
	actDelete
	actLeave
	actJoin // by the owner, after a leave
	actPin
	actUnpin
	actions
)

var actionNames = [actions]string{"send", "reply", "mention", "react", "unreact", "read", "edit", "delete", "leave", "join", "pin", "unpin"}

func (a action) String() string { return actionNames[a] }

// realistic is how often each action comes among 1,000. A leave is followed by
// a join; a pin is an unpin when the message is pinned.
var realistic = [...]struct {
	action action
	times  int
}{
	{actSend, 525}, {actReply, 175}, {actReact, 120}, {actRead, 100}, {actEdit, 30},
	{actUnreact, 20}, {actDelete, 10}, {actLeave, 10}, {actPin, 5}, {actMention, 5},
}

// newDeck has the actions of a mix in an order that is the same in every run,
// so that each thousand has the proportions.
func newDeck() []action {
	var deck []action
	for _, r := range realistic {
		for range r.times {
			deck = append(deck, r.action)
		}
	}
	order := rand.New(rand.NewPCG(1, 2))
	order.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	return deck
}

// emojis are what members react with: also such as consist of many characters.
var emojis = [...]string{"👍", "❤️", "😂", "🎉", "👍🏽", "👨‍👩‍👧"}

// mixing does the actions of a mix, each by a member of the sender's group who
// is chosen at random.
type mixing struct {
	sending *sending
	faults  *faults
	deck    []action
	drawn   atomic.Int64
	done    [actions]atomic.Int64
	latency [actions]*histogram // of acknowledgements
	markers sync.WaitGroup      // the read markers under way
}

func newMixing(s *sending, f *faults) *mixing {
	x := &mixing{sending: s, faults: f, deck: newDeck()}
	for a := range x.latency {
		x.latency[a] = newHistogram()
	}
	return x
}

// turn is one action of a sender.
type turn struct {
	courier *courier
	from    *sender
	line    *line
	number  int64 // of the sender's actions
	start   int64 // that its latency counts from
	text    []byte
}

func (t *turn) group() *conversation { return t.line.conversation }

// next does a sender's next action. text is a buffer.
func (x *mixing) next(ctx context.Context, c *courier, from *sender, text []byte, start int64) []byte {
	n := from.sent.Add(1)
	t := &turn{courier: c, from: from, line: from.lines[int(n-1)%len(from.lines)], number: n, start: start, text: text}
	a := x.deck[int(x.drawn.Add(1)-1)%len(x.deck)]
	if !x.act(ctx, t, a) {
		x.say(ctx, t, actSend)
	}
	return t.text
}

// act does an action that is not just a send. It returns false when there is
// nothing to do it to, such as no reaction to take back.
func (x *mixing) act(ctx context.Context, t *turn, a action) bool {
	switch a {
	case actReply, actMention:
		x.say(ctx, t, a)
		return true
	case actReact:
		return x.react(ctx, t)
	case actUnreact:
		return x.unreact(ctx, t)
	case actRead:
		return x.read(ctx, t)
	case actEdit:
		return x.edit(ctx, t)
	case actDelete:
		return x.remove(ctx, t)
	case actLeave:
		return x.leave(ctx, t)
	case actPin:
		return x.pin(ctx, t)
	}
	return false
}

// say sends a message: a reply to a recent one, one that mentions a member, or
// one that does neither, also where there is nothing to answer or nobody else.
func (x *mixing) say(ctx context.Context, t *turn, a action) {
	l, s := t.group().ledger, x.sending
	author := l.anyone()
	defer l.released(author)
	m := &message{author: author}
	t.text = appendBody(t.text[:0], t.from.number, t.number, s.cfg.BodySize)
	switch a {
	case actReply:
		m.replyTo = l.parent()
	case actMention:
		if m.mention = l.other(author); m.mention != nil {
			at := " @" + m.mention.user.handle
			t.text = append(appendBody(t.text[:0], t.from.number, t.number, max(s.cfg.BodySize-len(at), minBody)), at...)
		}
	}
	if m.replyTo.IsZero() && m.mention == nil {
		a = actSend
	}
	sent, o := s.send(ctx, t.courier, t.line, author.user, string(t.text), m.replyTo, s.key(t.from.number, t.number), t.start)
	switch o {
	case done:
		m.id, m.seq = sent.id, sent.seq
		l.sent(m)
		x.counted(a, t.start)
	case unknown:
		l.perhapsSent(author)
	}
}

// counted counts an action that the server has acknowledged. A marker that
// the server held back does not make the sending longer.
func (x *mixing) counted(a action, start int64) {
	now := x.sending.clock.now()
	x.latency[a].record(now - start)
	x.done[a].Add(1)
	if a != actRead {
		raise(&x.sending.ended, now)
	}
}

// ActionFigures is what a run measured of one sort of action.
type ActionFigures struct {
	Action    string  `json:"action"`
	Done      int64   `json:"done"`
	PerSecond float64 `json:"per_second"`
	Ack       Latency `json:"ack"`
}

func (x *mixing) figures(seconds float64) []ActionFigures {
	all := make([]ActionFigures, 0, actions)
	for a := range actions {
		f := ActionFigures{Action: a.String(), Done: x.done[a].Load(), Ack: x.latency[a].figures()}
		if seconds > 0 {
			f.PerSecond = float64(f.Done) / seconds
		}
		all = append(all, f)
	}
	return all
}

// handleOf is a handle that no other user of any run has.
func handleOf(run string, u *user) string {
	return "l" + run + "_" + strconv.FormatInt(int64(u.number), 36)
}

// claimHandle gives the user a handle, so that he can be mentioned.
func (u *user) claimHandle(ctx context.Context, c *courier, run string) error {
	u.handle = handleOf(run, u)
	c.begin(fasthttp.MethodPatch, "/v1/users/me")
	c.req.Header.SetContentType("application/json")
	c.req.Header.Set("Idempotency-Key", run+"-handle")
	c.body = append(appendJSONString(append(c.body, `{"handle":`...), u.handle), '}')
	return c.do(ctx, u, true)
}
