package projections

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"ping/internal/testkit"
)

// tables of the built-in projections.
var tables = map[string][]string{
	"timeline":  {"messages", "reactions", "reaction_counts"},
	"inbox":     {"conversations", "skips", "members", "mentions"},
	"directory": {"users", "blocks"},
	"search":    {"messages"},
}

// clear empties the database's log, checkpoints and tables, which is faster
// than a new database for each of rapid's logs.
func clear(t require.TestingT, pool *pgxpool.Pool) {
	ctx := context.Background()
	for schema, names := range tables {
		for _, name := range names {
			_, err := pool.Exec(ctx, fmt.Sprintf("TRUNCATE %s.%s", schema, name))
			require.NoError(t, err)
		}
	}
	_, err := pool.Exec(ctx, `TRUNCATE log.events, log.heads, projections.checkpoints, projections.parked`)
	require.NoError(t, err)
}

// rewind sets the projection back to the log's beginning.
func rewind(t require.TestingT, pool *pgxpool.Pool, p Projection) {
	ctx := context.Background()
	for _, name := range tables[p.Name] {
		_, err := pool.Exec(ctx, fmt.Sprintf("TRUNCATE %s.%s", p.Name, name))
		require.NoError(t, err)
	}
	_, err := pool.Exec(ctx, `DELETE FROM projections.checkpoints WHERE projection = $1`, p.Name)
	require.NoError(t, err)
	_, err = pool.Exec(ctx, `INSERT INTO projections.checkpoints SELECT $1, partition, 0 FROM log.heads`, p.Name)
	require.NoError(t, err)
}

// dump returns all rows of the projection's tables, as text, in one order.
func dump(t require.TestingT, pool *pgxpool.Pool, p Projection) map[string][]string {
	all := map[string][]string{}
	require.NotEmpty(t, tables[p.Name], "the tables of %s, to compare", p.Name)
	for _, name := range tables[p.Name] {
		rows, _ := pool.Query(context.Background(), fmt.Sprintf(`SELECT r::text FROM %s.%s AS r ORDER BY 1`, p.Name, name))
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		all[name] = lines
	}
	return all
}

// whole is the log in one batch.
func (w *writer) whole() (spans []span) {
	for p, head := range w.heads {
		if head > 0 {
			spans = append(spans, span{int16(p), 0, head})
		}
	}
	return spans
}

// cut is the log in batches drawn at random: each takes some events from some
// partitions.
func (w *writer) cut(t *rapid.T) (batches [][]span) {
	at := make([]int64, len(w.heads))
	for !slices.Equal(at, w.heads) {
		var batch []span
		for p := range at {
			if n := rapid.Int64Range(0, min(12, w.heads[p]-at[p])).Draw(t, "take"); n > 0 {
				batch = append(batch, span{int16(p), at[p], at[p] + n})
				at[p] += n
			}
		}
		if len(batch) > 0 {
			batches = append(batches, batch)
		}
	}
	return batches
}

func applierFor(t testing.TB, pool *pgxpool.Pool, p Projection) *applier {
	t.Helper()
	a, err := newApplier(context.Background(), pool, p, p.Name)
	require.NoError(t, err)
	t.Cleanup(func() { a.close(context.Background()) })
	return a
}

func installed(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool := testkit.Pool(t)
	require.NoError(t, Install(context.Background(), pool, BuiltIn(), testkit.Logger(t)))
	return pool
}

// TestAnySplit is the heart of exactly-once: where batches end must not be
// visible in the tables, nor in what order partitions are applied.
func TestAnySplit(t *testing.T) {
	pool := installed(t)
	ctx := context.Background()
	type pair struct{ serial, other *applier }
	appliers := map[string]pair{}
	for _, p := range BuiltIn() {
		appliers[p.Name] = pair{applierFor(t, pool, p), applierFor(t, pool, p)}
	}
	rapid.Check(t, func(rt *rapid.T) {
		clear(rt, pool)
		w := drawLog(rt)
		w.store(t, pool)
		for _, p := range BuiltIn() {
			a := appliers[p.Name]
			rewind(rt, pool, p)
			require.NoError(rt, a.serial.apply(ctx, w.whole()))
			atOnce := dump(rt, pool, p)

			rewind(rt, pool, p)
			for _, batch := range w.cut(rt) {
				require.NoError(rt, a.serial.apply(ctx, batch))
			}
			require.Equal(rt, atOnce, dump(rt, pool, p), "%s in batches", p.Name)

			rewind(rt, pool, p)
			var group errgroup.Group
			for i, a := range []*applier{a.serial, a.other} {
				group.Go(func() error {
					for _, s := range w.whole() {
						if int(s.partition)%2 != i {
							continue
						}
						for ; s.after < s.upto; s.after++ {
							if err := a.apply(ctx, []span{{s.partition, s.after, s.after + 1}}); err != nil {
								return err
							}
						}
					}
					return nil
				})
			}
			require.NoError(rt, group.Wait())
			require.Equal(rt, atOnce, dump(rt, pool, p), "%s event by event, in parallel", p.Name)
		}
		checkInbox(rt, pool, w)
		checkTimeline(rt, pool, w)
		checkDirectory(rt, pool, w)
	})
}
