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
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
	"ping/internal/transport"
	"ping/internal/wait"
	"ping/realtime/presence"
	"ping/realtime/protocol"
)

// Hub follows the log and passes each event to the sockets of the users who may
// see it.
type Hub struct {
	log       *eventlog.Log
	pool      *pgxpool.Pool
	tokens    *auth.Tokens
	cfg       Config
	logger    *slog.Logger
	transport *transport.Server
	metrics   *metrics

	registry    *registry
	partitions  []*partition // made by Run
	store       *ephemeral.Store
	presence    *presence.Service
	router      *ephemeralRouter
	pacer       *pacer
	admission   *admission
	memberships *membershipLoader
	reader      *logReader
	ready       chan struct{} // closed when the partitions have caught up
	background  context.Context
	stop        context.CancelFunc

	draining atomic.Bool
	sockets  sync.WaitGroup // from their request to their end
	mu       sync.Mutex     // orders admit and end
	stopped  bool
	left     chan struct{} // notified when a socket has ended

	reached atomic.Pointer[func(step)] // set by tests to act at a step of a start
}

// New makes a hub. It serves sockets while Run runs.
func New(log *eventlog.Log, pool *pgxpool.Pool, tokens *auth.Tokens, store *ephemeral.Store, cfg Config, logger *slog.Logger) *Hub {
	cfg = cfg.withDefaults()
	background, stop := context.WithCancel(context.Background())
	h := &Hub{
		log: log, pool: pool, tokens: tokens, cfg: cfg, logger: logger, store: store,
		registry:    newRegistry(),
		admission:   newAdmission(cfg),
		memberships: newMembershipLoader(pool, log),
		reader:      &logReader{log, semaphore.NewWeighted(int64(2 * runtime.GOMAXPROCS(0)))},
		pacer:       newPacer(),
		ready:       make(chan struct{}),
		left:        make(chan struct{}, 1),
		background:  background, stop: stop,
	}
	h.metrics = newMetrics(h.registry, h.admission)
	h.presence = presence.New(log, pool, store, rand.Text(),
		presence.Config{Heartbeat: cfg.PresenceBeat, Life: cfg.PresenceLife, Grace: cfg.PresenceGrace},
		func(user domain.ID) { h.registry.each(user, func(s *socket) { s.conn.SendEphemeral(ephemeralGap()) }) }, logger)
	h.router = newEphemeralRouter(store, h.registry, h.presence.Local, h.partitionOf, h.presence.RenewSoon, h.metrics)
	h.transport = transport.NewServer(transport.Config{
		Subprotocol: protocol.Subprotocol, MaxMessage: protocol.MaxMessage,
		BytesPerSecond: protocol.BytesPerSecond, ByteBurst: protocol.ByteBurst,
		MaxPending: cfg.MaxPending, Heartbeat: cfg.Heartbeat, CloseGrace: cfg.CloseGrace,
		TooFast: closing(protocol.CloseProtocol), TooSlow: closing(protocol.CloseSlow),
		EphemeralGap: ephemeralGap, Ended: h.metrics.closed, Logger: logger,
	})
	return h
}

// Metrics returns the metrics of the hub and its sockets.
func (h *Hub) Metrics() prometheus.Collector { return h.metrics }

// partitionOf returns the partition of a conversation or a user.
func (h *Hub) partitionOf(id domain.ID) *partition { return h.partitions[h.log.PartitionOf(id)] }

// Run follows the log until ctx ends. Then it cuts the remaining sockets and
// returns when all goroutines have ended. Call Drain before, so that clients are
// told to reconnect.
func (h *Hub) Run(ctx context.Context) error {
	defer h.end()
	from, err := h.startPositions(ctx)
	if err != nil {
		return err
	}
	for id, position := range from {
		h.partitions = append(h.partitions, newPartition(id, position, h.registry, h.presence.Local, h.logger))
	}
	tips := h.log.Tips()
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range h.partitions {
		group.Go(func() error { return h.follow(ctx, p) })
	}
	for _, work := range []func(context.Context) error{
		h.memberships.run, h.presence.RunTransitions, h.presence.RunHeartbeat,
		h.router.run, h.router.deliverPresence, h.router.expireStealth,
		func(ctx context.Context) error { return h.router.reportGaps(ctx, h.ready) },
	} {
		group.Go(func() error { return work(ctx) })
	}
	group.Go(func() error {
		// Before that, a socket would start in the past.
		for i, p := range h.partitions {
			if err := p.reach(ctx, tips[i]); err != nil {
				return nil
			}
		}
		h.router.awaitSubscription(ctx)
		close(h.ready)
		return nil
	})
	return group.Wait()
}

// startLag bounds how far behind the tip a hub starts, per partition.
const startLag = 20_000

// startPositions returns the positions from which to follow the log: those of the
// inbox, so that this node knows the membership changes that the inbox lacks.
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

// follow dispatches the events of one partition.
func (h *Hub) follow(ctx context.Context, p *partition) error {
	tail := h.log.Tail(p.id, p.position)
	defer tail.Close()
	for {
		events, err := tail.Next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			h.logger.Warn("tail not read; retrying", "partition", p.id, "error", err)
			if !wait.Sleep(ctx, time.Second) {
				return nil
			}
			continue
		}
		began := time.Now()
		writes, frames := p.dispatch(events)
		h.metrics.writes.Add(float64(writes))
		h.metrics.events.Add(float64(frames))
		h.pacer.pace(ctx, time.Since(began), writes, frames)
	}
}

// end cuts the remaining sockets and waits for all goroutines.
func (h *Hub) end() {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.stop()
	for _, s := range h.registry.all() {
		_ = s.conn.Close() // never fails
	}
	h.sockets.Wait()
	h.transport.Wait()
}

// admit counts a socket in. It returns false when the hub has stopped.
func (h *Hub) admit() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return false
	}
	h.sockets.Add(1)
	return true
}

// Sockets returns the number of open sockets.
func (h *Hub) Sockets() int { return h.registry.len() }

// CloseSession closes the sockets of a session on this node.
func (h *Hub) CloseSession(session domain.ID) {
	for _, s := range h.registry.all() {
		if s.ofSession(session) {
			s.conn.CloseWith(closing(protocol.CloseLoggedOut))
		}
	}
}

// CloseUser closes the sockets of an erased user on this node.
func (h *Hub) CloseUser(user domain.ID) {
	h.registry.each(user, func(s *socket) { s.conn.CloseWith(closing(protocol.CloseErased)) })
}

// Drain refuses new sockets, tells the clients of the others to reconnect at times
// spread over Config.DrainSpread, and closes them. It returns when all have ended.
// When ctx ends, it cuts the rest and returns the error of ctx.
func (h *Hub) Drain(ctx context.Context) error {
	h.draining.Store(true)
	for _, s := range h.registry.all() {
		s.restart() // a socket that opens now restarts itself
	}
	for h.Sockets() > 0 {
		select {
		case <-h.left:
		case <-ctx.Done():
			for _, s := range h.registry.all() {
				_ = s.conn.Close() // never fails
			}
			return fmt.Errorf("drain: %w", ctx.Err())
		}
	}
	return nil
}
