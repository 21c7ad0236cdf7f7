package projections

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"ping/domain"
	"ping/internal/testkit"
)

// tables of the built-in projections.
var tables = map[string][]string{
	"timeline":  {"messages"},
	"inbox":     {"conversations", "skips", "members"},
	"directory": {"users"},
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
	})
}

// checkInbox compares unread counts, memberships and roles with a naive model
// that walks the log event by event.
func checkInbox(t require.TestingT, pool *pgxpool.Pool, w *writer) {
	type key struct{ conversation, user domain.ID }
	type state struct {
		role   string
		member bool
		read   int64 // seq up to which all is read
	}
	members := map[key]*state{}
	messages := map[domain.ID][]int64{}
	for _, r := range w.events {
		k := key{r.stream, r.actor}
		switch e := r.event.(type) {
		case domain.MemberAdded:
			members[key{r.stream, e.UserID}] = &state{e.Role.String(), true, r.version}
		case domain.MemberRoleChanged:
			members[key{r.stream, e.UserID}].role = e.Role.String()
		case domain.MemberRemoved:
			members[key{r.stream, e.UserID}].member = false
		case domain.MessageSent:
			messages[r.stream] = append(messages[r.stream], r.version)
			members[k].read = r.version
		case domain.ReadAdvanced:
			members[k].read = max(members[k].read, min(e.Seq, r.version))
		}
	}
	want := map[string]bool{}
	for k, s := range members {
		unread := 0
		for _, seq := range messages[k.conversation] {
			if seq > s.read {
				unread++
			}
		}
		if s.member {
			want[fmt.Sprintf("%s %s %s %d %d", uuid.UUID(k.conversation), uuid.UUID(k.user), s.role, unread, len(messages[k.conversation]))] = true
		}
	}
	rows, _ := pool.Query(context.Background(), `
		SELECT concat_ws(' ', m.conversation_id, m.user_id, m.role, c.last_ordinal - m.read_ordinal, c.last_ordinal)
		  FROM inbox.members m JOIN inbox.conversations c ON c.id = m.conversation_id
		 WHERE m.removed_seq IS NULL`)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.ElementsMatch(t, slices.Collect(maps.Keys(want)), got)
	var wrong int
	require.NoError(t, pool.QueryRow(context.Background(), `
		SELECT count(*) FROM inbox.conversations c
		 WHERE member_count <> (SELECT count(*) FROM inbox.members m WHERE m.conversation_id = c.id AND removed_seq IS NULL)`).Scan(&wrong))
	require.Zero(t, wrong, "member_count")
}
