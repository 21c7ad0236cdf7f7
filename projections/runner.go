package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"ping/internal/eventlog"
	"ping/internal/wait"
)

// Config tunes a Runner. The zero value of a field means its default.
type Config struct {
	// Interval is the minimum time between the starts of two batches of a
	// projection (25 ms). The first event after a pause is applied at once; under
	// load, a longer interval makes batches larger and therefore cheaper.
	Interval time.Duration
	// MaxBatch is the maximum number of events per transaction (2,000).
	MaxBatch int
	// LeaseCheck is how often nodes look for partitions without a lease, and
	// redistribute them when a node was added or removed (500 ms).
	LeaseCheck time.Duration
}

func (c Config) withDefaults() Config {
	if c.Interval <= 0 {
		c.Interval = 25 * time.Millisecond
	}
	if c.MaxBatch <= 0 {
		c.MaxBatch = 2000
	}
	if c.LeaseCheck <= 0 {
		c.LeaseCheck = 500 * time.Millisecond
	}
	return c
}

// Runner applies the log to projections, and shares their partitions with the
// runners of other nodes.
type Runner struct {
	pool        *pgxpool.Pool
	log         *eventlog.Log
	projections []Projection
	cfg         Config
	logger      *slog.Logger
	metrics     *metrics
}

// NewRunner makes a runner; it works while Run runs. Each projection takes one
// connection out of the pool.
func NewRunner(pool *pgxpool.Pool, log *eventlog.Log, all []Projection, cfg Config, logger *slog.Logger) *Runner {
	return &Runner{pool: pool, log: log, projections: all, cfg: cfg.withDefaults(), logger: logger, metrics: newMetrics()}
}

// Run installs what is missing and applies events until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	if err := Install(ctx, r.pool, r.projections, r.logger); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	var group errgroup.Group
	for _, p := range r.projections {
		w := &worker{Runner: r, projection: p, logger: r.logger.With("projection", p.Name)}
		group.Go(func() error {
			w.run(ctx)
			return nil
		})
	}
	return group.Wait()
}

// worker applies one projection in sessions. A session has one connection and
// ends with the first error, after which a new one retries.
type worker struct {
	*Runner
	projection Projection
	logger     *slog.Logger
}

const (
	firstPause = 20 * time.Millisecond
	maxPause   = 5 * time.Second
)

func (w *worker) run(ctx context.Context) {
	backoff := firstPause
	for {
		s, err := w.open(ctx)
		if err == nil {
			err = s.run(ctx)
			if s.applied {
				backoff = firstPause
			}
			s.close(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errFenced):
			w.logger.Info("projection's checkpoints were moved by someone else; reading them again")
		default:
			w.logger.Error("projection failed; retrying", "error", err, "pause", backoff)
		}
		if !wait.Sleep(ctx, backoff) {
			return
		}
		backoff = min(2*backoff, maxPause)
	}
}

// session is the work of a worker with one connection.
type session struct {
	*worker
	*applier
	leases    *leases
	positions map[int16]int64 // of the partitions held, what is applied
	balanceAt time.Time
	applied   bool // something, in this session
}

// errOtherSQL: the tables belong to another version of the projection, so this
// version must not apply events to them.
var errOtherSQL = errors.New("the tables were built with other SQL; run: ping projection rebuild")

func (w *worker) open(ctx context.Context) (*session, error) {
	var same bool
	err := w.pool.QueryRow(ctx, `SELECT fingerprint = $2 FROM projections.installed WHERE projection = $1`,
		w.projection.Name, w.projection.fingerprint()).Scan(&same)
	if err != nil {
		return nil, fmt.Errorf("read what the tables were built with: %w", err)
	}
	if !same {
		return nil, fmt.Errorf("%w %s", errOtherSQL, w.projection.Name)
	}
	a, err := newApplier(ctx, w.pool, w.projection, w.projection.Name)
	if err != nil {
		return nil, err
	}
	l, err := newLeases(ctx, a.conn, w.projection.Name)
	if err != nil {
		a.close(ctx)
		return nil, fmt.Errorf("lease: %w", err)
	}
	return &session{worker: w, applier: a, leases: l}, nil
}

func (s *session) run(ctx context.Context) error {
	var began time.Time // the last batch, or the last time that there was none to be found
	woken := false
	for {
		if !wait.Sleep(ctx, time.Until(began.Add(cmp.Or(s.projection.Interval, s.cfg.Interval)))) {
			return ctx.Err()
		}
		if err := s.balance(ctx); err != nil {
			return fmt.Errorf("lease: %w", err)
		}
		tips := s.log.Tips()
		spans := s.spans(tips)
		if len(spans) > 0 || woken {
			// A wake-up without work counts too: events of partitions that other
			// nodes apply must not keep this node busy.
			began = time.Now()
		}
		var err error
		if len(spans) > 0 {
			woken, err = false, s.step(ctx, spans)
		} else {
			woken, err = s.wait(ctx, tips)
		}
		if err != nil {
			return err
		}
	}
}

// balance checks the leases when it is time, and reads the checkpoints of new
// ones. Those of older leases are known: if another node moves them, the next
// batch fails at the fence.
func (s *session) balance(ctx context.Context) error {
	now := time.Now()
	if now.Before(s.balanceAt) {
		return nil
	}
	settled, err := s.leases.balance(ctx, s.log.Partitions())
	if err != nil {
		return err
	}
	s.balanceAt = now.Add(s.cfg.LeaseCheck)
	if !settled {
		s.balanceAt = now.Add(s.cfg.LeaseCheck / 10)
	}
	positions := make(map[int16]int64, len(s.leases.held))
	var read map[int16]int64
	for _, p := range s.leases.held {
		at, known := s.positions[p]
		if !known {
			if read == nil {
				if read, err = s.applier.positions(ctx); err != nil {
					return err
				}
			}
			at = read[p]
		}
		positions[p] = at
	}
	s.positions = positions
	return nil
}

// spans returns what to apply next: of every partition that is behind, at most an
// equal share of the batch.
func (s *session) spans(tips []int64) []span {
	var spans []span
	for _, p := range s.leases.held {
		if at := s.positions[p]; tips[p] > at {
			spans = append(spans, span{p, at, tips[p]})
		}
	}
	s.metrics.lag.WithLabelValues(s.projection.Name).Set(float64(events(spans)))
	return limit(spans, s.cfg.MaxBatch)
}

// limit shortens spans so that they have about most events, and each at least one.
func limit(spans []span, most int) []span {
	if len(spans) == 0 || events(spans) <= int64(most) {
		return spans
	}
	share := int64(max(most/len(spans), 1))
	for i := range spans {
		spans[i].upto = min(spans[i].upto, spans[i].after+share)
	}
	return spans
}

func (s *session) step(ctx context.Context, spans []span) error {
	began := time.Now()
	if err := s.applyAround(ctx, spans, s.parkPoison); err != nil {
		return err
	}
	s.applied = true
	for _, done := range spans {
		s.positions[done.partition] = done.upto
	}
	s.metrics.seconds.WithLabelValues(s.projection.Name).Observe(time.Since(began).Seconds())
	s.metrics.applied.WithLabelValues(s.projection.Name).Add(float64(events(spans)))
	return nil
}

// parkPoison parks an event, so that the projection continues without it.
func (s *session) parkPoison(ctx context.Context, at span, cause error) error {
	if err := s.park(ctx, at, cause); err != nil {
		return fmt.Errorf("park %d:%d: %w", at.partition, at.upto, err)
	}
	s.metrics.parked.WithLabelValues(s.projection.Name).Inc()
	s.logger.Error("event could not be applied and was parked", "partition", at.partition, "position", at.upto, "error", describe(cause))
	return nil
}

// wait blocks until the log has moved beyond tips or the leases are due; woken
// says which.
func (s *session) wait(ctx context.Context, tips []int64) (woken bool, err error) {
	due, cancel := context.WithDeadline(ctx, s.balanceAt)
	defer cancel()
	_, err = s.log.Wait(due, tips)
	if err != nil && ctx.Err() == nil && due.Err() != nil {
		return false, nil
	}
	return err == nil, err
}
