package realtime

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/transport"
	"ping/internal/wait"
	"ping/realtime/presence"
	"ping/realtime/protocol"
)

const (
	// maxExpiryPause and minExpiryPause bound the time between two requests for
	// expired stealth messages.
	maxExpiryPause = 5 * time.Second
	minExpiryPause = 50 * time.Millisecond
	// subscribeWait bounds how long a node waits at its start for its subscription
	// to the ephemeral store.
	subscribeWait = time.Second
	// stealthWait is how long a stealth message waits for this node's tail to
	// reach the position on which it was decided.
	stealthWait = time.Second
	// gapPause collects shards that are subscribed again.
	gapPause = time.Second
	// gapSpread is the time over which clients are asked to read again.
	gapSpread = 10 * time.Second
)

// ephemeralRouter passes what the ephemeral store publishes to the sockets of
// this node.
type ephemeralRouter struct {
	store       *ephemeral.Store
	registry    *registry
	local       *presence.LocalUsers
	partitionOf func(conversation domain.ID) *partition
	renewLeases func() // Redis may have lost them
	metrics     *metrics
	inbox       presenceInbox
	expiry      expiryAlarm
	subscribed  chan struct{} // notified when a shard is subscribed
}

func newEphemeralRouter(store *ephemeral.Store, sockets *registry, local *presence.LocalUsers, partitionOf func(domain.ID) *partition,
	renewLeases func(), m *metrics) *ephemeralRouter {
	return &ephemeralRouter{
		store: store, registry: sockets, local: local, partitionOf: partitionOf, renewLeases: renewLeases, metrics: m,
		inbox:      presenceInbox{pending: map[domain.ID]ephemeral.Message{}, woken: make(chan struct{}, 1)},
		expiry:     newExpiryAlarm(),
		subscribed: make(chan struct{}, ephemeral.Shards),
	}
}

// run receives from the store until ctx ends.
func (r *ephemeralRouter) run(ctx context.Context) error {
	r.store.Listen(ctx, func(m ephemeral.Message) {
		switch m.Kind {
		case ephemeral.KindPresence:
			r.inbox.add(m)
		case ephemeral.KindStealth:
			r.expiry.wake(m)
			r.deliverStealth(ctx, m)
		default:
			r.deliver([]ephemeral.Message{m})
		}
	}, func() { notify(r.subscribed) })
	return nil
}

// awaitSubscription waits until all shards are subscribed, or for subscribeWait:
// sockets that start before would have to be told of a gap.
func (r *ephemeralRouter) awaitSubscription(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, subscribeWait)
	defer cancel()
	for range ephemeral.Shards {
		select {
		case <-r.subscribed:
		case <-ctx.Done():
			return
		}
	}
}

// bundle is what one socket receives of several messages.
type bundle struct {
	out  []byte
	last int // index of the last message in out: the socket may be in several of its rooms
}

// deliver sends messages to their recipients. Stealth messages come one at a time,
// because they are not dropped as the others are.
func (r *ephemeralRouter) deliver(messages []ephemeral.Message) {
	bundles := map[*socket]*bundle{}
	for i, m := range messages {
		encoded := transport.AppendText(nil, m.Frame)
		for _, s := range r.recipients(m) {
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
			r.metrics.drop(messages[0].Kind)
		}
	}
}

// deliverStealth delivers a stealth message once this node knows who was a member
// when it was sent: a member who was removed just before must not receive it. When
// that takes too long, the apparent members are told to read what there is.
func (r *ephemeralRouter) deliverStealth(ctx context.Context, m ephemeral.Message) {
	if m.After > 0 && len(m.Conversations) == 1 {
		ctx, cancel := context.WithTimeout(ctx, stealthWait)
		defer cancel()
		if r.partitionOf(m.Conversations[0]).reach(ctx, m.After) != nil {
			for _, s := range r.recipients(m) {
				s.conn.SendEphemeral(ephemeralGap())
			}
			return
		}
	}
	r.deliver([]ephemeral.Message{m})
}

// recipients returns the sockets that a message is for. A socket that is in
// several of its conversations is returned as many times.
func (r *ephemeralRouter) recipients(m ephemeral.Message) (sockets []*socket) {
	for _, conversation := range m.Conversations {
		sockets = r.partitionOf(conversation).appendSockets(sockets, conversation)
	}
	if m.From.IsZero() {
		return sockets
	}
	visible := sockets[:0]
	for _, s := range sockets {
		own := s.user == m.From
		if own && m.Kind == ephemeral.KindTyping || !own && (slices.Contains(m.Except, s.user) || r.local.IsHidden(m.From, s.user)) {
			continue
		}
		visible = append(visible, s)
	}
	return visible
}

// reportGaps tells clients, whenever a shard is subscribed again after ready, that
// something may have been missed. They are asked to read at different times,
// because they are many.
func (r *ephemeralRouter) reportGaps(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return nil
	case <-ready: // there was no client before
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.subscribed:
		}
		if !wait.Sleep(ctx, gapPause) {
			return nil
		}
		for len(r.subscribed) > 0 {
			<-r.subscribed // of other shards in the meantime
		}
		r.renewLeases()
		for _, s := range r.registry.all() {
			s.conn.SendEphemeral(ephemeralGap())
		}
	}
}

func ephemeralGap() []byte {
	return message(protocol.EphemeralGapFrame{Type: "ephemeral_gap", AfterMS: rand.Int64N(gapSpread.Milliseconds())})
}

// presenceInbox collects presence that is received, so that each socket is written
// to once for many users, with the last state per user only.
type presenceInbox struct {
	mu      sync.Mutex
	pending map[domain.ID]ephemeral.Message
	woken   chan struct{}
}

func (i *presenceInbox) add(m ephemeral.Message) {
	i.mu.Lock()
	i.pending[m.From] = m
	i.mu.Unlock()
	notify(i.woken)
}

func (i *presenceInbox) take() []ephemeral.Message {
	i.mu.Lock()
	defer i.mu.Unlock()
	taken := make([]ephemeral.Message, 0, len(i.pending))
	for _, m := range i.pending {
		taken = append(taken, m)
	}
	i.pending = map[domain.ID]ephemeral.Message{}
	return taken
}

// presencePause collects received presence before it is delivered.
const presencePause = 200 * time.Millisecond

// deliverPresence delivers the inbox until ctx ends. It takes at most a tenth of
// the time: when thousands of states arrive at once, they are delivered less often.
func (r *ephemeralRouter) deliverPresence(ctx context.Context) error {
	const rest = 9
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.inbox.woken:
		}
		if !wait.Sleep(ctx, presencePause) {
			return nil
		}
		began := time.Now()
		r.deliver(r.inbox.take())
		wait.Sleep(ctx, rest*time.Since(began))
	}
}

// expiryAlarm wakes expireStealth, with a channel per shard.
type expiryAlarm [ephemeral.Shards]chan struct{}

func newExpiryAlarm() (a expiryAlarm) {
	for shard := range a {
		a[shard] = make(chan struct{}, 1)
	}
	return a
}

// wake reports a stealth message, which may expire before all others.
func (a *expiryAlarm) wake(m ephemeral.Message) {
	if len(m.Conversations) > 0 {
		notify(a[ephemeral.ShardOf(m.Conversations[0])])
	}
}

// expireStealth publishes stealth messages that expire, until ctx ends. All nodes
// do so, and any of them publishes a given message.
func (r *ephemeralRouter) expireStealth(ctx context.Context) error {
	var shards sync.WaitGroup
	for shard := range ephemeral.Shards {
		shards.Go(func() {
			for wait.Sleep(ctx, minExpiryPause) {
				pause := maxExpiryPause
				next, some, err := r.store.Expire(ctx, shard)
				if err == nil && some {
					pause = min(pause, next)
				}
				timer := time.NewTimer(pause + time.Duration(rand.Int64N(int64(minExpiryPause))))
				select {
				case <-ctx.Done():
				case <-timer.C:
				case <-r.expiry[shard]:
				}
				timer.Stop()
			}
		})
	}
	shards.Wait()
	return nil
}
