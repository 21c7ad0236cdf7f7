package scenario

import (
	"context"
	"math/rand/v2"
	"net/url"

	"github.com/valyala/fasthttp"

	"ping/domain"
	"ping/internal/load/oracle"
	"ping/internal/load/wire"
	"ping/internal/load/workload"
)

// react adds a reaction to a recent message.
func (x *mix) react(ctx context.Context, t *turn) bool {
	messages, emoji := t.group.record.Messages, rand.IntN(len(workload.Emojis))
	m, by := messages.ReserveReact(emoji)
	if m == nil {
		return false
	}
	t.caller.Begin(fasthttp.MethodPut, t.group.reactionPath(m, emoji))
	messages.Reacted(m, by, emoji, x.ask(ctx, t, by.User, workload.React))
	return true
}

// unreact removes a reaction from a recent message.
func (x *mix) unreact(ctx context.Context, t *turn) bool {
	messages := t.group.record.Messages
	m, by, emoji := messages.ReserveUnreact()
	if m == nil {
		return false
	}
	t.caller.Begin(fasthttp.MethodDelete, t.group.reactionPath(m, emoji))
	messages.Unreacted(m, by, emoji, x.ask(ctx, t, by.User, workload.Unreact))
	return true
}

func (g *group) messagePath(m *oracle.Message) string { return g.path + "/messages/" + m.ID.String() }

func (g *group) reactionPath(m *oracle.Message, emoji int) string {
	return g.messagePath(m) + "/reactions/" + url.PathEscape(workload.Emojis[emoji])
}

func (x *mix) edit(ctx context.Context, t *turn) bool {
	messages := t.group.record.Messages
	m := messages.ReserveEdit()
	if m == nil {
		return false
	}
	by := m.Author.User
	t.text = workload.AppendBody(t.text[:0], t.from.Number, t.number, x.cfg.BodySize)
	body := string(t.text)
	t.caller.Begin(fasthttp.MethodPatch, t.group.messagePath(m))
	t.caller.SetMessage(body, domain.ID{})
	o := x.ask(ctx, t, by, workload.Edit)
	if o == oracle.Done {
		if id, seq, err := t.caller.Message(); err != nil || id != m.ID || seq != m.Seq {
			x.faults.Report(oracle.Broken, "the answer to the edit of %s, seq %d of %s, is not that message", m.ID, m.Seq, t.group.ID)
		}
	}
	messages.Edited(m, oracle.Digest(by.ID, body, m.ReplyTo), o)
	return true
}

// remove deletes a message.
func (x *mix) remove(ctx context.Context, t *turn) bool {
	messages := t.group.record.Messages
	m := messages.ReserveDelete()
	if m == nil {
		return false
	}
	t.caller.Begin(fasthttp.MethodDelete, t.group.messagePath(m))
	messages.Deleted(m, x.ask(ctx, t, m.Author.User, workload.Delete))
	return true
}

// pin pins a recent message, or unpins a pinned one.
func (x *mix) pin(ctx context.Context, t *turn) bool {
	messages, owner := t.group.record.Messages, t.group.record.Members.Owner()
	m := messages.ReservePin()
	if m == nil {
		return false
	}
	method, a := fasthttp.MethodPut, workload.Pin
	if m.Pinned() {
		method, a = fasthttp.MethodDelete, workload.Unpin
	}
	t.caller.Begin(method, t.group.messagePath(m)+"/pin")
	messages.SetPinned(m, a == workload.Pin, x.ask(ctx, t, owner.User, a))
	return true
}

// leave lets a member leave; then the owner adds them again.
func (x *mix) leave(ctx context.Context, t *turn) bool {
	members, c := t.group.record.Members, t.caller
	m := members.ReserveLeave()
	if m == nil {
		return false
	}
	path := t.group.path + "/members"
	c.Begin(fasthttp.MethodDelete, path+"/"+m.User.ID.String())
	o := x.ask(ctx, t, m.User, workload.Leave)
	members.Left(m, o)
	if o != oracle.Done {
		return true
	}
	c.Begin(fasthttp.MethodPost, path)
	c.SetJSON(map[string]any{"user_id": m.User.ID})
	key, start := x.key(t.from.Number, t.number)+"-back", x.clock.Now()
	members.Joined(m, x.askUnder(ctx, c, t.group, members.Owner().User, workload.Join, key, start))
	return true
}

// maxLag is how far behind the conversation's end a read marker may be.
const maxLag = 12

// read marks a conversation as read by a member, up to its end or somewhat
// before. The sender goes on meanwhile, because a server holds markers back that
// follow each other shortly; a member has one under way at a time.
func (x *mix) read(ctx context.Context, t *turn) bool {
	g, members := t.group, t.group.record.Members
	seq := g.record.LastSeq() - rand.Int64N(maxLag)
	if seq < 1 {
		return false
	}
	m := members.ReserveMarker()
	if m == nil {
		return false
	}
	key, start := x.key(t.from.Number, t.number), t.start
	x.markers.Go(func() {
		c := x.api.Caller(x.counts)
		c.Begin(fasthttp.MethodPut, g.path+"/read")
		c.SetJSON(map[string]any{"seq": seq})
		members.Marked(m, seq, x.askUnder(ctx, c, g, m.User, workload.Read, key, start))
	})
	return true
}

// ask makes the call that the turn's caller has prepared.
func (x *mix) ask(ctx context.Context, t *turn, as *workload.User, a workload.Action) oracle.Outcome {
	return x.askUnder(ctx, t.caller, t.group, as, a, x.key(t.from.Number, t.number), t.start)
}

// askUnder makes a prepared call under a key, and returns what became of it.
func (x *mix) askUnder(ctx context.Context, c *wire.Caller, g *group, as *workload.User, a workload.Action, key string, start int64) oracle.Outcome {
	c.SetKey(key)
	err := c.Do(ctx, x.accounts[as.Number])
	if err == nil {
		g.answered(c)
		x.counted(a, start)
		return oracle.Done
	}
	return x.failed(err, as, a.String(), g)
}
