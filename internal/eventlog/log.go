package eventlog

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"ping/domain"
)

// ErrEpochChanged: the epoch was bumped while this process ran; start it again.
var ErrEpochChanged = errors.New("the log's epoch was bumped: restart this node")

// Config tunes a Log. The zero value of a field means its default.
type Config struct {
	// Partitions is how many partitions a new log gets (16). It is fixed when
	// the log is created; an existing log keeps what it has.
	Partitions int
	// Lanes is how many writers this node has (half the processors, at least
	// one), each for its share of the partitions. Fewer lanes make larger
	// batches, more lanes overlap commits.
	Lanes int
	// MaxBatch is the most commands that one transaction takes (512).
	MaxBatch int
	// QueueSize is how many commands may wait for a lane (8192) before
	// ErrOverloaded.
	QueueSize int
	// StateCache is how many bytes of streams' states are kept for deciding
	// (256 MiB). Each lane has its equal share.
	StateCache int
	// Recent is how many of a partition's last events stay in memory (2,048).
	Recent int
	// AppendTimeout is how long a batch may wait for Postgres (10 s) before its
	// commands are told ErrUnavailable.
	AppendTimeout time.Duration
	// MaxMemoryAge is how long events in memory are good for the mirror without a look
	// at Postgres, which is where it is known when some were overwritten (5 s).
	// It is the same on all nodes.
	MaxMemoryAge time.Duration
}

func (c Config) withDefaults() Config {
	for field, value := range map[*int]int{
		&c.Partitions: 16, &c.Lanes: max(1, runtime.GOMAXPROCS(0)/2), &c.MaxBatch: 512, &c.QueueSize: 8192, &c.StateCache: 256 << 20, &c.Recent: 2048,
	} {
		if *field <= 0 {
			*field = value
		}
	}
	if c.AppendTimeout <= 0 {
		c.AppendTimeout = 10 * time.Second
	}
	if c.MaxMemoryAge <= 0 {
		c.MaxMemoryAge = 5 * time.Second
	}
	return c
}

// Log is the event log as one process sees it. Its methods may be called from
// any goroutine; Execute, Tail and Wait make progress while Run runs.
type Log struct {
	pool       *pgxpool.Pool
	mirror     *mirror
	cfg        Config
	logger     *slog.Logger
	metrics    *metrics
	partitions int
	epoch      int

	lanes   []*lane
	feeds   []*feed
	stopped chan struct{} // closed when no lane answers any more
	gaps    chan struct{} // told when some feed has a hole

	redactions int64                     // as last seen; watch's alone
	looked     atomic.Pointer[time.Time] // when that look at Postgres began

	mu    sync.Mutex
	moved chan struct{} // closed when any tip moves; nil while nobody waits
}

// Open opens the log in a migrated database, creating it on first use. nc must
// come from Connect and be used by nobody else. A mirror that does not belong
// to the database is refused with ErrMirrorAhead; NATS may also be away.
func Open(ctx context.Context, pool *pgxpool.Pool, nc *nats.Conn, cfg Config, logger *slog.Logger) (*Log, error) {
	cfg = cfg.withDefaults()
	l := &Log{
		pool: pool, cfg: cfg, logger: logger, metrics: newMetrics(),
		stopped: make(chan struct{}), gaps: make(chan struct{}, 1),
	}
	if err := l.create(ctx); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	var err error
	if l.mirror, err = newMirror(nc, l.epoch); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := l.checkMirror(ctx); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	began := time.Now()
	heads, _, redactions, err := l.readHeads(ctx)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l.redactions = redactions
	l.looked.Store(&began)
	for partition, head := range heads {
		l.feeds = append(l.feeds, newFeed(partition, cfg.Recent, head))
	}
	l.cfg.Lanes = min(l.cfg.Lanes, l.partitions)
	for range l.cfg.Lanes {
		l.lanes = append(l.lanes, newLane(l))
	}
	return l, nil
}

// create writes the log's own rows unless they are there, and reads them.
func (l *Log) create(ctx context.Context) error {
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO log.meta (partitions, epoch) VALUES ($1, 1) ON CONFLICT DO NOTHING`, l.cfg.Partitions); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT partitions, epoch FROM log.meta`).Scan(&l.partitions, &l.epoch); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO log.heads (partition) SELECT generate_series(0, $1 - 1) ON CONFLICT DO NOTHING`, l.partitions)
		return err
	})
}

// checkMirror refuses a mirror of another log before any command is accepted.
func (l *Log) checkMirror(ctx context.Context) error {
	if !l.mirror.nc.IsConnected() {
		l.logger.Warn("NATS cannot be reached; events are accepted and will be mirrored when it returns")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for partition := range l.partitions {
		last, _, err := l.mirror.lastSequence(ctx, partition)
		if err == nil {
			err = l.verifyMirror(ctx, partition, last)
		}
		if errors.Is(err, ErrMirrorAhead) {
			return err
		}
		if err != nil {
			l.logger.Warn("mirror could not be checked; the log works without it until it answers", "error", err)
			return nil
		}
	}
	return nil
}

// readHeads returns the position of each partition's last event, the epoch, and
// how often payloads were overwritten, all as of one moment.
func (l *Log) readHeads(ctx context.Context) (heads []int64, epoch int, redactions int64, err error) {
	err = l.pool.QueryRow(ctx, `
SELECT (SELECT array_agg(position ORDER BY partition) FROM log.heads), epoch, redactions FROM log.meta`).Scan(&heads, &epoch, &redactions)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("read heads: %w", err)
	}
	return heads, epoch, redactions, nil
}

// BumpEpoch begins a new incarnation of the log after Postgres was restored
// from a backup: clients are told, and a new mirror is filled. All nodes must
// be stopped. It returns the new epoch.
func BumpEpoch(ctx context.Context, pool *pgxpool.Pool) (epoch int, err error) {
	err = pool.QueryRow(ctx, `UPDATE log.meta SET epoch = epoch + 1 RETURNING epoch`).Scan(&epoch)
	if err != nil {
		return 0, fmt.Errorf("bump epoch: %w", err)
	}
	return epoch, nil
}

// drainTime is how long a stopping node goes on mirroring what it appended.
const drainTime = 2 * time.Second

// Run works until ctx ends: lanes finish their batches, what they appended is
// mirrored if NATS takes it within 2 s, and all goroutines have ended when Run
// returns. An error is fatal to this node.
func (l *Log) Run(ctx context.Context) error {
	heard, err := l.mirror.nc.Subscribe(fmt.Sprintf("ping.e%d.>", l.epoch), l.hear)
	if err != nil {
		close(l.stopped)
		return fmt.Errorf("subscribe to other nodes' events: %w", err)
	}
	defer func() { _ = heard.Unsubscribe() }() // a closed connection has no subscriptions
	if err := heard.SetPendingLimits(-1, -1); err != nil {
		close(l.stopped)
		return fmt.Errorf("subscribe to other nodes' events: %w", err)
	}

	group, ctx := errgroup.WithContext(ctx)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	draining := make(chan struct{})
	for _, f := range l.feeds {
		p := &pump{log: l, feed: f}
		group.Go(func() error { return p.run(background, draining) })
	}
	group.Go(func() error { return l.watch(ctx) })
	group.Go(func() error { return l.fillGaps(ctx) })
	group.Go(func() error {
		var lanes sync.WaitGroup
		for _, ln := range l.lanes {
			lanes.Go(func() { ln.run(ctx) })
		}
		lanes.Wait()
		close(l.stopped)
		close(draining)
		time.AfterFunc(drainTime, stop)
		return nil
	})
	return group.Wait()
}

// watch compares what this node has seen with Postgres: it is how events
// arrive that no one was heard to publish, and how it is known that some in
// memory were overwritten.
func (l *Log) watch(ctx context.Context) error {
	for {
		interval := sweepInterval
		if !l.mirror.nc.IsConnected() {
			interval = 50 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(interval):
		}
		began := time.Now()
		heads, epoch, redactions, err := l.readHeads(ctx)
		switch {
		case err != nil:
			l.logger.Debug("heads not read", "error", err)
			continue
		case epoch != l.epoch:
			return ErrEpochChanged
		}
		if redactions != l.redactions {
			for partition, head := range heads {
				l.feeds[partition].distrust(head)
			}
			l.redactions = redactions
		}
		l.looked.Store(&began)
		for partition, head := range heads {
			if l.feeds[partition].known(head) {
				l.tellGap()
			}
		}
	}
}

// fillGaps reads from Postgres what other nodes appended and the mirror did
// not tell in time.
func (l *Log) fillGaps(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.gaps:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(grace):
		}
		for _, f := range l.feeds {
			after, upTo, ok := f.gap()
			if !ok {
				continue
			}
			events, err := l.readPartition(ctx, f.partition, after, upTo, tailRun)
			if err != nil {
				l.logger.Debug("gap not filled", "error", err)
			}
			l.observe(f, events)
		}
	}
}

// trusts reports whether events in memory are as they are in Postgres, or were
// a moment ago: no longer than AwaitForgotten waits.
func (l *Log) trusts() bool { return time.Since(*l.looked.Load()) < l.cfg.MaxMemoryAge }

func (l *Log) tellGap() {
	select {
	case l.gaps <- struct{}{}:
	default:
	}
}

// hear takes in what another node publishes. Only committed events are ever
// published, so it counts as seen whether or not JetStream stores it from that
// publisher.
func (l *Log) hear(msg *nats.Msg) {
	e, err := decodeMessage(l.epoch, msg.Header, msg.Data)
	if err != nil || e.Partition >= l.partitions {
		l.logger.Warn("message on the mirror's subjects is no event", "subject", msg.Subject, "error", err)
		return
	}
	e.origin = heard
	l.observe(l.feeds[e.Partition], []*Event{e})
}

// observeAppended takes in what this node appended.
func (l *Log) observeAppended(byPartition [][]*planned) {
	for partition, share := range byPartition {
		if len(share) == 0 {
			continue
		}
		events := make([]*Event, len(share))
		for i, e := range share {
			events[i] = e.Event
		}
		l.observe(l.feeds[partition], events)
	}
}

func (l *Log) observe(f *feed, events []*Event) {
	moved, gap := f.add(events...)
	if moved {
		l.mu.Lock()
		if l.moved != nil {
			close(l.moved)
			l.moved = nil
		}
		l.mu.Unlock()
	}
	if gap {
		l.tellGap()
	}
}

// Partitions returns how many partitions the log has: they are 0 to one less.
func (l *Log) Partitions() int { return l.partitions }

// Epoch returns which incarnation of the log this is.
func (l *Log) Epoch() int { return l.epoch }

// PartitionOf returns the partition of a stream: a hash of its id.
func (l *Log) PartitionOf(stream domain.ID) int {
	h := fnv.New32a()
	h.Write(stream[:])
	return int(h.Sum32() % uint32(l.partitions))
}

func (l *Log) laneOf(partition int) *lane { return l.lanes[partition%len(l.lanes)] }

// Tips returns, a partition, the last position this process has seen; it has
// seen all before it too.
func (l *Log) Tips() []int64 {
	tips := make([]int64, len(l.feeds))
	for i, f := range l.feeds {
		tips[i] = f.seen()
	}
	return tips
}

// Wait blocks until some partition has events beyond seen, and returns Tips.
func (l *Log) Wait(ctx context.Context, seen []int64) ([]int64, error) {
	for {
		l.mu.Lock()
		if l.moved == nil {
			l.moved = make(chan struct{})
		}
		moved := l.moved
		l.mu.Unlock()
		tips := l.Tips()
		for i, tip := range tips {
			if tip > seen[i] {
				return tips, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-moved:
		}
	}
}
