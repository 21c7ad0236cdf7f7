package realtime

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
	"ping/internal/transport"
	"ping/internal/wait"
	"ping/realtime/protocol"
)

// Hub is the realtime side of a node: it follows the log and hands each event
// to the sockets of those it is for.
type Hub struct {
	log       *eventlog.Log
	pool      *pgxpool.Pool
	tokens    *auth.Tokens
	tickets   *auth.Tickets
	cfg       Config
	logger    *slog.Logger
	transport *transport.Server
	metrics   *metrics

	users      users
	people     *people
	partitions []*partition // made by Run
	ephemeral  *ephemeral.Store
	node       string // names this node among all
	sightings  *sightings
	expiry     expiry
	word       *word
	began      chan struct{} // told when the ephemeral lane is listened to anew
	pacer      *pacer
	turns      *turns
	snapshots  *snapshots
	reads      *semaphore.Weighted // bounds what streams that start read of the log at a time
	ready      chan struct{}       // closed when the partitions have caught up
	background context.Context
	stop       context.CancelFunc

	draining atomic.Bool
	sockets  sync.WaitGroup // streams, from their request to their end
	mu       sync.Mutex     // orders the first of sockets against Run's wait
	stopped  bool
	left     chan struct{} // told when a stream has ended

	reached atomic.Pointer[func(step)] // set by tests to act at a step of a stream
}

// New makes a hub; it serves streams while Run runs.
func New(log *eventlog.Log, pool *pgxpool.Pool, tokens *auth.Tokens, tickets *auth.Tickets, lane *ephemeral.Store, cfg Config, logger *slog.Logger) *Hub {
	cfg = cfg.withDefaults()
	background, stop := context.WithCancel(context.Background())
	h := &Hub{
		log: log, pool: pool, tokens: tokens, tickets: tickets, cfg: cfg, logger: logger,
		users:      users{sockets: map[domain.ID][]*socket{}},
		people:     newPeople(),
		ephemeral:  lane,
		node:       rand.Text(),
		sightings:  newSightings(),
		expiry:     newExpiry(),
		word:       newWord(),
		began:      make(chan struct{}, ephemeral.Shards),
		turns:      newTurns(cfg),
		snapshots:  newSnapshots(pool, log),
		reads:      semaphore.NewWeighted(int64(2 * runtime.GOMAXPROCS(0))),
		pacer:      newPacer(),
		ready:      make(chan struct{}),
		left:       make(chan struct{}, 1),
		background: background, stop: stop,
	}
	h.metrics = newMetrics(h)
	h.transport = transport.NewServer(transport.Config{
		Subprotocol: protocol.Subprotocol, MaxMessage: protocol.MaxMessage,
		BytesPerSecond: protocol.BytesPerSecond, ByteBurst: protocol.ByteBurst,
		MaxPending: cfg.MaxPending, Heartbeat: cfg.Heartbeat, CloseGrace: cfg.CloseGrace,
		TooFast: closing(protocol.CloseProtocol), TooSlow: closing(protocol.CloseSlow),
		EphemeralGap: ephemeralGap, Ended: h.metrics.closed,
	})
	return h
}

// Run follows the log until ctx ends; then it cuts the streams that are left
// and returns when all goroutines have ended. Call Drain before, for streams
// to end in good order.
func (h *Hub) Run(ctx context.Context) error {
	defer h.end()
	from, err := h.startPositions(ctx)
	if err != nil {
		return err
	}
	for id, position := range from {
		h.partitions = append(h.partitions, newPartition(id, position, &h.users, h.people, h.logger))
	}
	tips := h.log.Tips()
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range h.partitions {
		group.Go(func() error { return h.follow(ctx, p) })
	}
	for _, work := range []func(context.Context) error{h.snapshots.run, h.hear, h.expire, h.present, h.beat, h.see, h.tellGaps} {
		group.Go(func() error { return work(ctx) })
	}
	group.Go(func() error {
		// Until then a stream would begin in the past.
		for i, p := range h.partitions {
			if err := p.reach(ctx, tips[i]); err != nil {
				return nil
			}
		}
		h.awaitHearing(ctx)
		close(h.ready)
		return nil
	})
	return group.Wait()
}

// startLag bounds how far behind the tip a hub begins, a partition.
const startLag = 20_000

// startPositions returns where to follow the log from: where the inbox stands,
// so that the membership changes that it lacks are known here.
func (h *Hub) startPositions(ctx context.Context) ([]int64, error) {
	nobody, err := loadMemberships(ctx, h.pool, h.log, []domain.ID{{}})
	if err != nil {
		return nil, fmt.Errorf("start realtime: %w", err)
	}
	from := h.log.Tips()
	for p, tip := range from {
		from[p] = max(min(tip, nobody[0].positions[p]), tip-startLag)
	}
	return from, nil
}

// follow hands on the events of one partition.
func (h *Hub) follow(ctx context.Context, p *partition) error {
	tail := h.log.Tail(p.id, p.position)
	defer tail.Close()
	for {
		events, err := tail.Next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			h.logger.Warn("tail cannot be read", "partition", p.id, "error", err)
			if !wait.Sleep(ctx, time.Second) {
				return nil
			}
			continue
		}
		began := time.Now()
		writes, frames := p.take(events)
		h.metrics.writes.Add(float64(writes))
		h.metrics.events.Add(float64(frames))
		h.pacer.pace(ctx, time.Since(began), writes, frames)
	}
}

// end cuts what streams are left and waits for all goroutines.
func (h *Hub) end() {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.stop()
	for _, s := range h.users.all() {
		_ = s.conn.Close() // never fails
	}
	h.sockets.Wait()
	h.transport.Wait()
}

// admit counts a stream in; it returns false when the hub has stopped.
func (h *Hub) admit() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return false
	}
	h.sockets.Add(1)
	return true
}

// Sockets returns how many streams are open.
func (h *Hub) Sockets() int {
	h.users.mu.RLock()
	defer h.users.mu.RUnlock()
	return h.users.count
}

// CloseSession closes the streams that a session has on this node.
func (h *Hub) CloseSession(session domain.ID) {
	for _, s := range h.users.all() {
		if s.ofSession(session) {
			s.conn.CloseWith(closing(protocol.CloseLoggedOut))
		}
	}
}

// CloseUser closes the streams that a user who is erased has on this node.
func (h *Hub) CloseUser(user domain.ID) {
	h.users.each(user, func(s *socket) { s.conn.CloseWith(closing(protocol.CloseErased)) })
}

// Drain refuses new streams, asks the clients of the others to come back,
// spread over Config.DrainSpread, and closes them. It returns when all have
// gone; when ctx ends, the rest are cut and ctx's error is returned.
func (h *Hub) Drain(ctx context.Context) error {
	h.draining.Store(true)
	for _, s := range h.users.all() {
		s.restart() // who comes now is asked by its own start
	}
	for h.Sockets() > 0 {
		select {
		case <-h.left:
		case <-ctx.Done():
			for _, s := range h.users.all() {
				_ = s.conn.Close() // never fails
			}
			return fmt.Errorf("drain: %w", ctx.Err())
		}
	}
	return nil
}
