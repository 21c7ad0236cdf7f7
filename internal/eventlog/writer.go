package eventlog

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
)

// writer owns the lanes of this node, and what they share.
type writer struct {
	pool        *pgxpool.Pool
	meta        meta
	idempotency *idempotency
	memory      *memory
	cfg         Config
	metrics     *metrics
	logger      *slog.Logger
	lanes       []*lane
	stopped     chan struct{} // closed when no lane answers any more
}

func newWriter(pool *pgxpool.Pool, m meta, memory *memory, cfg Config, metrics *metrics, logger *slog.Logger) *writer {
	w := &writer{
		pool: pool, meta: m, memory: memory, cfg: cfg, metrics: metrics, logger: logger,
		idempotency: &idempotency{pool: pool, meta: m}, stopped: make(chan struct{}),
	}
	lanes := min(cfg.Lanes, m.partitions)
	for range lanes {
		w.lanes = append(w.lanes, &lane{
			writer: w, queue: make(chan *request, cfg.QueueSize), states: newStateCache(pool, cfg.StateCache/lanes, metrics),
		})
	}
	return w
}

// run runs the lanes until ctx ends and each has finished its batch.
func (w *writer) run(ctx context.Context) {
	var lanes sync.WaitGroup
	for _, ln := range w.lanes {
		lanes.Go(func() { ln.run(ctx) })
	}
	lanes.Wait()
	close(w.stopped)
}

// submit hands a request to the lane of its stream and waits for the answer.
func (w *writer) submit(ctx context.Context, r *request) (Result, error) {
	ln := w.lanes[w.meta.PartitionOf(r.Stream)%len(w.lanes)]
	select {
	case ln.queue <- r:
	case <-w.stopped:
		return Result{}, ErrClosed
	default:
		return Result{}, ErrOverloaded
	}
	select {
	case out := <-r.done:
		return out.Result, out.err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("execute on %s: %w", r.Stream, ctx.Err())
	case <-w.stopped:
		// The lane may have answered just before it stopped.
		select {
		case out := <-r.done:
			return out.Result, out.err
		default:
			return Result{}, ErrClosed
		}
	}
}
