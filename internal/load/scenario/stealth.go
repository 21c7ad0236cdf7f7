package scenario

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ping/domain"
	"ping/internal/load/measure"
	"ping/internal/load/oracle"
	"ping/internal/load/wire"
	"ping/internal/load/workload"
	"ping/internal/wait"
)

const (
	stealthEvery  = 5  // how many of a sender's actions there are per stealth message
	withdrawEvery = 10 // how many stealth messages there are per withdrawal
)

// stealth sends and withdraws the stealth messages of a run.
type stealth struct {
	*sending
	record *oracle.Stealths // used under wire.Sockets.Exclusive
	ack    *measure.Histogram
}

func newStealth(s *sending) *stealth {
	x := &stealth{sending: s, record: oracle.NewStealths(s.run.record), ack: measure.NewHistogram()}
	s.run.record.ExpectOnlyMessages()
	s.sockets.Exclusive(func() { s.received.stealths = x.record })
	return x
}

// post sends a stealth message, and withdraws some of them. n numbers the
// sender's actions.
func (x *stealth) post(ctx context.Context, c *wire.Caller, from *workload.Sender, g *group, body string, n, start int64) {
	digest := oracle.Digest(from.User.ID, body, domain.ID{})
	x.sockets.Exclusive(func() { x.record.Sending(g.record, digest) })
	ttl := time.Duration(2+n/stealthEvery%4) * time.Second
	c.Begin(fasthttp.MethodPost, g.path+"/stealth")
	c.SetKey(x.key(from.Number, n))
	c.SetJSON(map[string]any{"body": body, "ttl_seconds": int(ttl.Seconds())})
	err := c.Do(ctx, x.accounts[from.User.Number])
	var got oracle.StealthMessage
	if err == nil {
		if err = c.Decode(&got); err != nil {
			x.counts.Failed("unreadable answer to a stealth message")
		}
	}
	if err != nil {
		if x.failed(err, from.User, "stealth message", g) == oracle.Unknown {
			x.sockets.Exclusive(func() { x.record.Undecided(g.record) })
		}
		return
	}
	now := x.clock.Now()
	x.ack.Record(now - start)
	raise(&x.ended, now)
	var m *oracle.Stealth
	withdraw := false
	x.sockets.Exclusive(func() {
		m = x.record.Acknowledged(g.record, digest, ttl, got, start, now, x.clock.At(got.ExpiresAt))
		withdraw = x.record.Sent()%withdrawEvery == 0
	})
	if withdraw {
		x.withdraw(ctx, c, from.User, g, m)
	}
}

func (x *stealth) withdraw(ctx context.Context, c *wire.Caller, author *workload.User, g *group, m *oracle.Stealth) {
	x.sockets.Exclusive(func() { x.record.Withdrawing(m, x.clock.Now()) })
	c.Begin(fasthttp.MethodDelete, g.path+"/stealth/"+m.ID.String())
	if err := c.Do(ctx, x.accounts[author.Number]); err != nil {
		x.failed(err, author, "withdrawal of stealth message "+m.ID.String(), g)
		return
	}
	x.sockets.Exclusive(func() { x.record.Withdrawn(m, x.clock.Now()) })
}

// settle waits until every socket was told the end of every stealth message, or
// it is too late for that.
func (x *stealth) settle(ctx context.Context) {
	for {
		var waiting int
		var until int64
		x.sockets.Exclusive(func() { waiting, until = x.record.Waiting() })
		if waiting == 0 || x.clock.Now() > until || !wait.Sleep(ctx, 100*time.Millisecond) {
			return
		}
	}
}

// listedWithin is how long after its end a stealth message may still be listed.
const listedWithin = time.Second

// judgeLists reads each conversation's stealth messages once, when all have
// expired or been withdrawn: none may be listed, except one with an unknown
// outcome, until it expires.
func (x *stealth) judgeLists(ctx context.Context) {
	var last int64
	x.sockets.Exclusive(func() { last = x.record.LastEnd() })
	if x.gaveUp != nil || !wait.Sleep(ctx, time.Duration(last-x.clock.Now())+listedWithin) {
		return
	}
	var asked atomic.Int64
	err := x.concurrently(ctx, len(x.groups), setupWorkers(), &asked, func(ctx context.Context, c *wire.Caller, i int) error {
		g := x.groups[i]
		return wire.Pages(ctx, c, x.accounts[g.Members[0].Number], g.path+"/stealth", "cursor", "", func(m *oracle.StealthMessage) {
			expired := time.Since(m.ExpiresAt) > 0
			x.sockets.Exclusive(func() { x.record.JudgeListed(g.ID, m.ID, expired) })
		})
	})
	if err != nil && ctx.Err() == nil {
		x.faults.Report(oracle.Broken, "the list of stealth messages could not be read: %v", err)
	}
}

// judge compares what was acknowledged with what sockets were told.
func (x *stealth) judge() *measure.StealthFigures {
	endToEnd, late := measure.NewHistogram(), measure.NewHistogram()
	f := &measure.StealthFigures{Ack: x.ack.Figures()}
	x.sockets.Exclusive(func() {
		sum := x.record.Judge(endToEnd.Record, late.Record)
		f.Sent, f.Withdrawn, f.Deliveries, f.Excused = sum.Sent, sum.Withdrawn, sum.Deliveries, sum.Excused
		f.Gaps = x.received.ephemeralGaps
	})
	f.EndToEnd, f.GoneLate = endToEnd.Figures(), late.Figures()
	return f
}
