package projections

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"ping/internal/postgres"
	"ping/internal/wait"
)

const rebuildSuffix = "_rebuild"

const (
	rebuildBatch   = 20_000
	rebuildWorkers = 4
	// nearlyThere is how many events may be left for the swap itself, during
	// which the live projection waits.
	nearlyThere = 5_000
)

// PoisonError is why a rebuild stops: an event that the projection cannot
// apply. The live tables are as they were.
type PoisonError struct {
	Projection string
	Partition  int
	Position   int64
	Reason     string // the error of Postgres, without values
}

func (e *PoisonError) Error() string {
	return fmt.Sprintf("projection %s cannot apply the event at %d:%d: %s", e.Projection, e.Partition, e.Position, e.Reason)
}

// Rebuild builds the tables of a projection from the whole log in a second schema,
// and swaps them in when they have caught up. Nodes continue to apply events to
// the live tables and to read them meanwhile. progress is called from several
// goroutines, with the number of applied events and of all events; both may rise.
func Rebuild(ctx context.Context, pool *pgxpool.Pool, p Projection, progress func(done, total int64)) error {
	r := &rebuild{pool: pool, projection: p, shadow: p.Name + rebuildSuffix, progress: progress}
	if err := r.run(ctx); err != nil {
		return fmt.Errorf("rebuild %s: %w", p.Name, err)
	}
	return nil
}

type rebuild struct {
	pool       *pgxpool.Pool
	projection Projection
	shadow     string
	progress   func(done, total int64)
	done       atomic.Int64
	indexes    []string // definitions of the shadow's indexes, made at the end
}

func (r *rebuild) run(ctx context.Context) (err error) {
	pooled, err := r.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	lock := pooled.Hijack() // the lock ends with the connection
	defer func() { _ = lock.Close(context.WithoutCancel(ctx)) }()
	var locked bool
	err = lock.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, lockClass(r.projection.Name), lockRebuild).Scan(&locked)
	if err != nil {
		return err
	}
	if !locked {
		return fmt.Errorf("another rebuild of it is running")
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	swapped := false
	defer func() {
		if !swapped {
			r.cleanUp(ctx)
		}
	}()
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	if err := r.createIndexes(ctx); err != nil {
		return err
	}
	// Making indexes took its time, and so does catching up again.
	for left := int64(nearlyThere + 1); left > nearlyThere; {
		if err := r.catchUp(ctx); err != nil {
			return err
		}
		if left, err = r.left(ctx); err != nil {
			return err
		}
	}
	if err := r.swap(ctx); err != nil {
		return err
	}
	swapped = true
	return r.dropOld(ctx)
}

// prepare makes the shadow's tables, in place of what an earlier rebuild that
// was killed may have left.
func (r *rebuild) prepare(ctx context.Context) error {
	return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if err := dropSchema(ctx, tx, r.shadow); err != nil {
			return err
		}
		if err := createTables(ctx, tx, r.projection, r.shadow); err != nil {
			return err
		}
		return r.dropIndexes(ctx, tx)
	})
}

const secondaryIndexesSQL = `
SELECT c.relname, pg_get_indexdef(i.indexrelid)
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relnamespace = $1::text::regnamespace
   AND NOT i.indisunique
   AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
 ORDER BY c.relname`

// dropIndexes removes the indexes that only readers need: made at the end they
// cost a fraction. Unique ones stay, apply.sql may lean on them.
func (r *rebuild) dropIndexes(ctx context.Context, tx pgx.Tx) error {
	rows, _ := tx.Query(ctx, secondaryIndexesSQL, r.shadow)
	var name, definition string
	var names []string
	_, err := pgx.ForEachRow(rows, []any{&name, &definition}, func() error {
		names = append(names, name)
		r.indexes = append(r.indexes, definition)
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := tx.Exec(ctx, "DROP INDEX "+pgx.Identifier{r.shadow, name}.Sanitize()); err != nil {
			return err
		}
	}
	return nil
}

func (r *rebuild) createIndexes(ctx context.Context) error {
	for _, definition := range r.indexes {
		if _, err := r.pool.Exec(ctx, definition); err != nil {
			return fmt.Errorf("%s: %w", definition, err)
		}
	}
	return nil
}

// leftSQL returns what the schema's checkpoints have ahead of them.
const leftSQL = `
SELECT c.partition, c.position, h.position
  FROM projections.checkpoints c
  JOIN log.heads h ON h.partition = c.partition
 WHERE c.projection = $1 AND c.position < h.position
 ORDER BY c.partition`

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func readLeft(ctx context.Context, q querier, schema string) ([]span, error) {
	rows, _ := q.Query(ctx, leftSQL, schema)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s span, err error) {
		return s, row.Scan(&s.partition, &s.after, &s.upto)
	})
}

func (r *rebuild) left(ctx context.Context) (int64, error) {
	spans, err := readLeft(ctx, r.pool, r.shadow)
	return events(spans), err
}

// catchUp applies all that the log has now, partitions in parallel.
func (r *rebuild) catchUp(ctx context.Context) error {
	spans, err := readLeft(ctx, r.pool, r.shadow)
	if err != nil {
		return err
	}
	total := r.done.Load() + events(spans)
	r.progress(r.done.Load(), total)
	work := make(chan span, len(spans))
	for _, s := range spans {
		work <- s
	}
	close(work)
	group, ctx := errgroup.WithContext(ctx)
	for range min(rebuildWorkers, len(spans)) {
		group.Go(func() error { return r.applyAll(ctx, work, total) })
	}
	return group.Wait()
}

func (r *rebuild) applyAll(ctx context.Context, work <-chan span, total int64) error {
	a, err := newApplier(ctx, r.pool, r.projection, r.shadow)
	if err != nil {
		return err
	}
	defer a.close(ctx)
	for s := range work {
		for s.after < s.upto {
			batch := []span{{s.partition, s.after, min(s.upto, s.after+rebuildBatch)}}
			err := a.applyAround(ctx, batch, r.poisoned)
			if isRetryable(err) {
				if !wait.Sleep(ctx, firstPause) {
					return ctx.Err()
				}
				continue // the batch changed nothing
			}
			if err != nil {
				return err
			}
			s.after = batch[0].upto
			r.progress(r.done.Add(events(batch)), total)
		}
	}
	return nil
}

func (r *rebuild) poisoned(_ context.Context, at span, cause error) error {
	return &PoisonError{r.projection.Name, int(at.partition), at.upto, describe(cause)}
}

// isRetryable says that two partitions stood in each other's way.
func isRetryable(err error) bool {
	state := postgres.State(err)
	return state == "40001" || state == "40P01"
}

const swapSQL = `
UPDATE projections.checkpoints AS live
   SET position = shadow.position
  FROM projections.checkpoints AS shadow
 WHERE live.projection = $1 AND shadow.projection = $2 AND shadow.partition = live.partition`

// swap puts the shadow in the live tables' place. It holds the live
// checkpoints, so no node applies anything meanwhile; the next batch of each
// is refused at the fence, and reads the new checkpoints.
func (r *rebuild) swap(ctx context.Context) error {
	a, err := newApplier(ctx, r.pool, r.projection, r.shadow)
	if err != nil {
		return err
	}
	defer a.close(ctx)
	live := r.projection.Name
	return pgx.BeginFunc(ctx, a.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = on`); err != nil {
			return err
		}
		// Nobody installs it meanwhile either.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, lockClass(live), lockInstall); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT FROM projections.checkpoints WHERE projection = $1 ORDER BY partition FOR UPDATE`, live); err != nil {
			return err
		}
		spans, err := readLeft(ctx, tx, r.shadow)
		if err != nil {
			return err
		}
		if len(spans) > 0 {
			if err := a.apply(ctx, spans); err != nil {
				return err
			}
		}
		r.progress(r.done.Add(events(spans)), r.done.Load())
		return r.rename(ctx, tx)
	})
}

func (r *rebuild) rename(ctx context.Context, tx pgx.Tx) error {
	live := r.projection.Name
	var installed bool
	if err := tx.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL`, live).Scan(&installed); err != nil {
		return err
	}
	if installed {
		if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER SCHEMA %s RENAME TO %s", live, r.old())); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER SCHEMA %s RENAME TO %s", r.shadow, live)); err != nil {
		return err
	}
	for _, statement := range []string{
		`DELETE FROM projections.parked WHERE projection = $1`,
		`INSERT INTO projections.checkpoints (projection, partition, position)
		 SELECT $1, partition, 0 FROM log.heads ON CONFLICT DO NOTHING`,
	} {
		if _, err := tx.Exec(ctx, statement, live); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, swapSQL, live, r.shadow); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM projections.checkpoints WHERE projection = $1`, r.shadow); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO projections.installed (projection, fingerprint) VALUES ($1, $2)
		ON CONFLICT (projection) DO UPDATE SET fingerprint = excluded.fingerprint, installed_at = now()`,
		live, r.projection.fingerprint())
	return err
}

// old names the former tables until they are dropped.
func (r *rebuild) old() string { return r.shadow + "_old" }

// dropOld removes the former tables, apart from the swap: it waits for their
// last readers, and nobody waits for it.
func (r *rebuild) dropOld(ctx context.Context) error {
	_, err := r.pool.Exec(ctx, "DROP SCHEMA IF EXISTS "+r.old()+" CASCADE")
	return err
}

// cleanUp removes the shadow after a failure; what it cannot remove the next
// rebuild will.
func (r *rebuild) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_ = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error { return dropSchema(ctx, tx, r.shadow) })
}

func dropSchema(ctx context.Context, tx pgx.Tx, schema string) error {
	if _, err := tx.Exec(ctx, fmt.Sprintf("DROP SCHEMA IF EXISTS %[1]s, %[1]s_old CASCADE", schema)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM projections.checkpoints WHERE projection = $1`, schema)
	return err
}
