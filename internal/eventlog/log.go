package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"
)

// Config tunes a Log. The zero value of a field means its default.
type Config struct {
	// Partitions is how many partitions a new log gets (16). It is fixed when
	// the log is created; an existing log keeps its number.
	Partitions int
	// Lanes is how many writers this node has (half the processors, at least
	// one), each for its share of the partitions. Fewer lanes make larger
	// batches, more lanes overlap commits.
	Lanes int
	// MaxBatch is the maximum number of commands per transaction (512).
	MaxBatch int
	// QueueSize is how many commands may wait per lane (8192) before
	// ErrOverloaded.
	QueueSize int
	// StateCache is how many bytes of streams' states are kept for decisions
	// (256 MiB). Each lane has an equal share.
	StateCache int
	// Recent is how many of the last events per partition stay in memory (2,048).
	Recent int
	// AppendTimeout is how long a batch may wait for Postgres (10 s) before its
	// commands are answered with ErrUnavailable.
	AppendTimeout time.Duration
	// MaxMemoryAge is how long events in memory may be published to the mirror
	// after the last check of Postgres, which says whether some were overwritten
	// (5 s). It must be the same on all nodes.
	MaxMemoryAge time.Duration
}

func (c Config) withDefaults() Config {
	c.Partitions = cmp.Or(max(0, c.Partitions), 16)
	c.Lanes = cmp.Or(max(0, c.Lanes), max(1, runtime.GOMAXPROCS(0)/2))
	c.MaxBatch = cmp.Or(max(0, c.MaxBatch), 512)
	c.QueueSize = cmp.Or(max(0, c.QueueSize), 8192)
	c.StateCache = cmp.Or(max(0, c.StateCache), 256<<20)
	c.Recent = cmp.Or(max(0, c.Recent), 2048)
	c.AppendTimeout = cmp.Or(max(0, c.AppendTimeout), 10*time.Second)
	c.MaxMemoryAge = cmp.Or(max(0, c.MaxMemoryAge), 5*time.Second)
	return c
}

// Log is the event log of one process: it wires the parts that write, hold,
// mirror and read events, and has their exported methods. Its methods may be
// called from any goroutine; Execute, Inspect, Tail and Wait make progress while
// Run runs.
type Log struct {
	meta      // Partitions, Epoch, PartitionOf
	*Reader   // events by stream, id and user
	*Lookups  // what decisions need of the past: messages, reactions, markers, blocks
	*Redactor // erasure
	*memory   // Tips, Wait, Recent
	*metrics  // the Prometheus collector
	writer    *writer
	mirror    *mirror
	logger    *slog.Logger
}

// Open opens the log in a migrated database, creating it on first use. nc must
// come from Connect and have no other user. A mirror that does not belong to
// the database is refused with ErrMirrorAhead; NATS may be unreachable.
func Open(ctx context.Context, pool *pgxpool.Pool, nc *nats.Conn, cfg Config, logger *slog.Logger) (*Log, error) {
	l, err := open(ctx, pool, nc, cfg.withDefaults(), logger)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

func open(ctx context.Context, pool *pgxpool.Pool, nc *nats.Conn, cfg Config, logger *slog.Logger) (*Log, error) {
	m, err := openMeta(ctx, pool, cfg.Partitions)
	if err != nil {
		return nil, err
	}
	reader := &Reader{pool: pool, meta: m}
	mirror, err := newMirror(nc, m, reader)
	if err != nil {
		return nil, err
	}
	if err := mirror.check(ctx, logger); err != nil {
		return nil, err
	}
	memory, err := newMemory(ctx, m, reader, cfg, nc.IsConnected, logger)
	if err != nil {
		return nil, err
	}
	metrics := newMetrics()
	return &Log{
		meta: m, Reader: reader, Lookups: &Lookups{pool: pool}, memory: memory, metrics: metrics,
		Redactor: &Redactor{pool: pool, meta: m, mirror: mirror, maxMemoryAge: cfg.MaxMemoryAge},
		writer:   newWriter(pool, m, memory, cfg, metrics, logger),
		mirror:   mirror, logger: logger,
	}, nil
}

// drainTime is how long a stopping node continues to mirror what it appended.
const drainTime = 2 * time.Second

// Run works until ctx ends. Then the lanes finish their batches, what they
// appended is mirrored if NATS takes it within 2 s, and all goroutines have
// ended when Run returns. An error is fatal to this node.
func (l *Log) Run(ctx context.Context) error {
	published, err := l.mirror.subscribe(l.memory.onPublished)
	if err != nil {
		close(l.writer.stopped)
		return fmt.Errorf("subscribe to other nodes' events: %w", err)
	}
	defer func() { _ = published.Unsubscribe() }() // a closed connection has no subscriptions

	group, ctx := errgroup.WithContext(ctx)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	draining := make(chan struct{})
	for _, r := range l.memory.recents {
		p := &publisher{recent: r, memory: l.memory, mirror: l.mirror, reader: l.Reader, metrics: l.metrics, logger: l.logger}
		group.Go(func() error { return p.run(background, draining) })
	}
	group.Go(func() error { return l.memory.watchHeads(ctx) })
	group.Go(func() error { return l.memory.fillGaps(ctx) })
	group.Go(func() error {
		l.writer.run(ctx)
		close(draining)
		time.AfterFunc(drainTime, stop)
		return nil
	})
	return group.Wait()
}

// Tail returns a reader of the events of a partition after a position. Close
// it when done.
func (l *Log) Tail(partition int, after int64) *Tail {
	return &Tail{
		recent: l.memory.recents[partition], reader: l.Reader, mirror: l.mirror,
		metrics: l.metrics, logger: l.logger, position: after,
	}
}
