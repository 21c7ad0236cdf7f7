package load

import (
	"context"
	"math/rand/v2"
	"net/url"
	"strconv"

	"github.com/valyala/fasthttp"
)

// react adds a reaction to a recent message.
func (x *mixing) react(ctx context.Context, t *turn) bool {
	l, emoji := t.group().ledger, rand.IntN(len(emojis))
	m, by := l.reactable(emoji)
	if m == nil {
		return false
	}
	t.courier.begin(fasthttp.MethodPut, t.group().reactionPath(m, emoji))
	l.reacted(m, by, emoji, x.ask(ctx, t, by.user, actReact))
	return true
}

// unreact takes a reaction on a recent message back.
func (x *mixing) unreact(ctx context.Context, t *turn) bool {
	l := t.group().ledger
	m, by, emoji := l.reaction()
	if m == nil {
		return false
	}
	t.courier.begin(fasthttp.MethodDelete, t.group().reactionPath(m, emoji))
	l.unreacted(m, by, emoji, x.ask(ctx, t, by.user, actUnreact))
	return true
}

func (c *conversation) messagePath(m *message) string { return c.path + "/" + m.id.String() }

func (c *conversation) reactionPath(m *message, emoji int) string {
	return c.messagePath(m) + "/reactions/" + url.PathEscape(emojis[emoji])
}

func (x *mixing) edit(ctx context.Context, t *turn) bool {
	l := t.group().ledger
	m := l.editable()
	if m == nil {
		return false
	}
	c, by := t.courier, m.author.user
	t.text = appendBody(t.text[:0], t.from.number, t.number, x.sending.cfg.BodySize)
	body := string(t.text)
	c.begin(fasthttp.MethodPatch, t.group().messagePath(m))
	c.req.Header.SetContentType("application/json")
	c.body = append(appendJSONString(append(c.body, `{"body":`...), body), '}')
	o := x.ask(ctx, t, by, actEdit)
	if o == done {
		if got, err := readAnswer(c.res.Body()); err != nil || got.id != m.id || got.seq != m.seq {
			x.faults.report(broken, "the answer to the edit of %s is not that message", name(t.group(), m.id, m.seq))
		}
	}
	l.edited(m, digest(by.id, body, m.replyTo), o)
	return true
}

// remove deletes a message.
func (x *mixing) remove(ctx context.Context, t *turn) bool {
	l := t.group().ledger
	m := l.deletable()
	if m == nil {
		return false
	}
	t.courier.begin(fasthttp.MethodDelete, t.group().messagePath(m))
	l.removed(m, x.ask(ctx, t, m.author.user, actDelete))
	return true
}

// pin pins a recent message, or no longer.
func (x *mixing) pin(ctx context.Context, t *turn) bool {
	l := t.group().ledger
	m := l.pinnable()
	if m == nil {
		return false
	}
	method, a := fasthttp.MethodPut, actPin
	if m.pinned {
		method, a = fasthttp.MethodDelete, actUnpin
	}
	t.courier.begin(method, t.group().messagePath(m)+"/pin")
	l.pinnedIs(m, a == actPin, x.ask(ctx, t, l.owner().user, a))
	return true
}

// leave lets a member leave; then the owner adds him again.
func (x *mixing) leave(ctx context.Context, t *turn) bool {
	l, c := t.group().ledger, t.courier
	m := l.leaver()
	if m == nil {
		return false
	}
	members := "/v1/conversations/" + t.group().idText + "/members"
	c.begin(fasthttp.MethodDelete, members+"/"+m.user.id.String())
	o := x.ask(ctx, t, m.user, actLeave)
	l.left(m, o)
	if o != done {
		return true
	}
	c.begin(fasthttp.MethodPost, members)
	c.req.Header.SetContentType("application/json")
	c.body = append(appendJSONString(append(c.body, `{"user_id":`...), m.user.id.String()), '}')
	key, start := x.sending.key(t.from.number, t.number)+"-back", x.sending.clock.now()
	l.joined(m, x.askUnder(ctx, c, t.group(), l.owner().user, actJoin, key, start))
	return true
}

// maxLag is how far behind the conversation's end a read marker may be.
const maxLag = 12

// read marks a conversation as read by a member, up to its end or somewhat
// before. The sender goes on meanwhile, for a server holds markers back that
// come one shortly after the other; so a member has one under way at a time.
func (x *mixing) read(ctx context.Context, t *turn) bool {
	group, l := t.group(), t.group().ledger
	seq := group.lastSeq.Load() - rand.Int64N(maxLag)
	if seq < 1 {
		return false
	}
	m := l.marker()
	if m == nil {
		return false
	}
	key, start := x.sending.key(t.from.number, t.number), t.start
	x.markers.Go(func() {
		c := x.sending.api.courier(x.sending.counts)
		c.begin(fasthttp.MethodPut, "/v1/conversations/"+group.idText+"/read")
		c.req.Header.SetContentType("application/json")
		c.body = append(strconv.AppendInt(append(c.body, `{"seq":`...), seq, 10), '}')
		l.marked(m, seq, x.askUnder(ctx, c, group, m.user, actRead, key, start))
	})
	return true
}

// ask makes the call that the turn's courier has prepared.
func (x *mixing) ask(ctx context.Context, t *turn, as *user, a action) outcome {
	return x.askUnder(ctx, t.courier, t.group(), as, a, x.sending.key(t.from.number, t.number), t.start)
}

// askUnder makes a prepared call under a key, and returns what became of it.
func (x *mixing) askUnder(ctx context.Context, c *courier, group *conversation, as *user, a action, key string, start int64) outcome {
	c.req.Header.Set("Idempotency-Key", key)
	err := c.do(ctx, as, true)
	if err == nil {
		group.heard(c)
		x.counted(a, start)
		return done
	}
	return x.sending.failed(err, as, a.String(), group)
}
