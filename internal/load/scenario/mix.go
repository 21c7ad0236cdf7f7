package scenario

import (
	"context"
	"sync"
	"sync/atomic"

	"ping/internal/load/measure"
	"ping/internal/load/oracle"
	"ping/internal/load/wire"
	"ping/internal/load/workload"
)

// mix does the actions of a mix, each by a random member of the sender's group.
type mix struct {
	*sending
	deck    *workload.Deck
	done    [workload.Actions]atomic.Int64
	latency [workload.Actions]*measure.Histogram // of acknowledgements
	markers sync.WaitGroup                       // the read markers under way
}

func newMix(s *sending) *mix {
	x := &mix{sending: s, deck: workload.NewDeck()}
	for a := range x.latency {
		x.latency[a] = measure.NewHistogram()
	}
	return x
}

// turn is one action of a sender.
type turn struct {
	caller *wire.Caller
	from   *workload.Sender
	line   *workload.Line
	group  *group
	number int64 // of the sender's actions
	start  int64 // that its latency counts from
	text   []byte
}

// next does a sender's next action. text is a buffer.
func (x *mix) next(ctx context.Context, c *wire.Caller, from *workload.Sender, text []byte, start int64) []byte {
	n, line := from.Next()
	t := &turn{caller: c, from: from, line: line, group: x.groups[line.Conversation.Number], number: n, start: start, text: text}
	if !x.act(ctx, t, x.deck.Draw()) {
		x.say(ctx, t, workload.Send)
	}
	return t.text
}

// act does an action that is not just a send. It returns false when there is no
// target for it, such as no reaction to remove.
func (x *mix) act(ctx context.Context, t *turn, a workload.Action) bool {
	switch a {
	case workload.Reply, workload.Mention:
		x.say(ctx, t, a)
		return true
	case workload.React:
		return x.react(ctx, t)
	case workload.Unreact:
		return x.unreact(ctx, t)
	case workload.Read:
		return x.read(ctx, t)
	case workload.Edit:
		return x.edit(ctx, t)
	case workload.Delete:
		return x.remove(ctx, t)
	case workload.Leave:
		return x.leave(ctx, t)
	case workload.Pin:
		return x.pin(ctx, t)
	}
	return false
}

// say sends a message: a reply to a recent one, one that mentions a member, or
// one that does neither, also where there is no parent or no other member.
func (x *mix) say(ctx context.Context, t *turn, a workload.Action) {
	members, messages := t.group.record.Members, t.group.record.Messages
	author := members.Acquire()
	defer members.Release(author)
	m := &oracle.Message{Author: author}
	size := x.cfg.BodySize
	t.text = workload.AppendBody(t.text[:0], t.from.Number, t.number, size)
	switch a {
	case workload.Reply:
		m.ReplyTo = messages.Parent()
	case workload.Mention:
		if m.Mention = members.Other(author); m.Mention != nil {
			at := " @" + m.Mention.User.Handle
			t.text = append(workload.AppendBody(t.text[:0], t.from.Number, t.number, max(size-len(at), workload.MinBody)), at...)
		}
	}
	if m.ReplyTo.IsZero() && m.Mention == nil {
		a = workload.Send
	}
	sent, o := x.send(ctx, t.caller, t.line, author.User, string(t.text), m.ReplyTo, x.key(t.from.Number, t.number), t.start)
	switch o {
	case oracle.Done:
		m.ID, m.Seq = sent.ID, sent.Seq
		messages.Sent(m)
		x.counted(a, t.start)
	case oracle.Unknown:
		members.SentUnknown(author)
	}
}

// counted counts an action that the server has acknowledged. A marker that the
// server held back does not make the sending longer.
func (x *mix) counted(a workload.Action, start int64) {
	now := x.clock.Now()
	x.latency[a].Record(now - start)
	x.done[a].Add(1)
	if a != workload.Read {
		raise(&x.ended, now)
	}
}

func (x *mix) figures(seconds float64) []measure.ActionFigures {
	all := make([]measure.ActionFigures, 0, workload.Actions)
	for a := range workload.Actions {
		f := measure.ActionFigures{Action: a.String(), Done: x.done[a].Load(), Ack: x.latency[a].Figures()}
		if seconds > 0 {
			f.PerSecond = float64(f.Done) / seconds
		}
		all = append(all, f)
	}
	return all
}
