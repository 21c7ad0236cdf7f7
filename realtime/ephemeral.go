package realtime

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"ping/internal/ephemeral"
	"ping/internal/transport"
	"ping/internal/wait"
	"ping/realtime/protocol"
)

const (
	// expireAgain is the most time between two questions for stealth messages
	// that have expired, and expireSoon the least.
	expireAgain = 5 * time.Second
	expireSoon  = 50 * time.Millisecond
	// hearingWait is how long a node waits at its start until it hears the
	// ephemeral lane.
	hearingWait = time.Second
	// stealthWait is how long a stealth message waits for this node's tail to
	// reach what was known when it was sent.
	stealthWait = time.Second
	// gapPause gathers the shards that are listened to again.
	gapPause = time.Second
	// gapSpread is the time over which clients are asked to read anew.
	gapSpread = 10 * time.Second
)

// hear hands on what is heard of the ephemeral lane, until ctx ends.
func (h *Hub) hear(ctx context.Context) error {
	h.ephemeral.Listen(ctx, func(m ephemeral.Message) {
		switch m.Kind {
		case ephemeral.KindPresence:
			h.sightings.add(m)
		case ephemeral.KindStealth:
			h.expiry.wake(m)
			h.handOnStealth(ctx, m)
		default:
			h.handOn([]ephemeral.Message{m})
		}
	}, func() { signal(h.began) })
	return nil
}

// awaitHearing waits until all shards are listened to, but no longer than Redis
// may take: streams that begin before that would have to be told of a gap.
func (h *Hub) awaitHearing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, hearingWait)
	defer cancel()
	for range ephemeral.Shards {
		select {
		case <-h.began:
		case <-ctx.Done():
			return
		}
	}
}

// bundle is what one socket gets of some messages.
type bundle struct {
	out  []byte
	last int // the message that it got last: it may be in several of its rooms
}

// handOn gives messages to the sockets that they are for. Stealth messages come
// one at a time: they are not dropped as the others are.
func (h *Hub) handOn(messages []ephemeral.Message) {
	bundles := map[*socket]*bundle{}
	for i, m := range messages {
		encoded := transport.AppendText(nil, m.Frame)
		for _, s := range h.inside(m) {
			b := bundles[s]
			switch {
			case b == nil:
				bundles[s] = &bundle{out: encoded[:len(encoded):len(encoded)], last: i}
			case b.last != i:
				b.out, b.last = append(b.out, encoded...), i
			}
		}
	}
	for s, b := range bundles {
		if messages[0].Kind == ephemeral.KindStealth {
			s.conn.SendEphemeral(b.out)
		} else if !s.conn.TrySendEphemeral(b.out) {
			h.metrics.drop(messages[0].Kind)
		}
	}
}

// handOnStealth hands on a stealth message once this node knows who was a member
// when it was sent: who was removed just before must not get it. Where that
// takes too long, those who seem to be members are told to read what is there.
func (h *Hub) handOnStealth(ctx context.Context, m ephemeral.Message) {
	if m.After > 0 && len(m.Conversations) == 1 {
		ctx, cancel := context.WithTimeout(ctx, stealthWait)
		defer cancel()
		p := h.partitions[h.log.PartitionOf(m.Conversations[0])]
		if p.reach(ctx, m.After) != nil {
			for _, s := range h.inside(m) {
				s.conn.SendEphemeral(ephemeralGap())
			}
			return
		}
	}
	h.handOn([]ephemeral.Message{m})
}

// inside returns the sockets that a message is for; one that is in several of
// its conversations as many times.
func (h *Hub) inside(m ephemeral.Message) (sockets []*socket) {
	for _, conversation := range m.Conversations {
		p := h.partitions[h.log.PartitionOf(conversation)]
		sockets = p.appendInside(sockets, conversation)
	}
	if m.From.IsZero() {
		return sockets
	}
	seen := sockets[:0]
	for _, s := range sockets {
		own := s.user == m.From
		if own && m.Kind == ephemeral.KindTyping || !own && (slices.Contains(m.Except, s.user) || h.people.hides(s.user, m.From)) {
			continue
		}
		seen = append(seen, s)
	}
	return seen
}

// tellGaps tells clients that something may have been missed, whenever a shard
// is listened to anew, until ctx ends. They are asked to read over some time,
// for they are many.
func (h *Hub) tellGaps(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-h.ready: // nobody was there before
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.began:
		}
		if !wait.Sleep(ctx, gapPause) {
			return nil
		}
		for len(h.began) > 0 {
			<-h.began // of the shards that were gathered
		}
		signal(h.word.due) // Redis may have come back empty
		for _, s := range h.users.all() {
			s.conn.SendEphemeral(ephemeralGap())
		}
	}
}

func ephemeralGap() []byte {
	return message(protocol.EphemeralGapFrame{Type: "ephemeral_gap", AfterMS: rand.Int64N(gapSpread.Milliseconds())})
}

// expiry wakes who tells of expired stealth messages, a channel a shard.
type expiry [ephemeral.Shards]chan struct{}

func newExpiry() (e expiry) {
	for shard := range e {
		e[shard] = make(chan struct{}, 1)
	}
	return e
}

// wake says that a stealth message was heard: something may be due sooner.
func (e *expiry) wake(m ephemeral.Message) {
	if len(m.Conversations) > 0 {
		signal(e[ephemeral.ShardOf(m.Conversations[0])])
	}
}

// expire tells of stealth messages when they expire, until ctx ends. Every node
// does; which of them tells of one is left to chance.
func (h *Hub) expire(ctx context.Context) error {
	var shards sync.WaitGroup
	for shard := range ephemeral.Shards {
		shards.Go(func() {
			for wait.Sleep(ctx, expireSoon) {
				wait := expireAgain
				next, some, err := h.ephemeral.Expire(ctx, shard)
				if err == nil && some {
					wait = min(wait, next)
				}
				timer := time.NewTimer(wait + time.Duration(rand.Int64N(int64(expireSoon))))
				select {
				case <-ctx.Done():
				case <-timer.C:
				case <-h.expiry[shard]:
				}
				timer.Stop()
			}
		})
	}
	shards.Wait()
	return nil
}
