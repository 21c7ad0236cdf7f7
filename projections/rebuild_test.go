package projections

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

// TestRebuildUnderLoad swaps the tables several times while events come in and
// a runner applies them: nothing is lost or applied twice.
func TestRebuildUnderLoad(t *testing.T) {
	s := newSystem(t, testkit.Pool(t), eventlog.Config{})
	s.start(testkit.Logger(t))
	require.NoError(t, s.traffic(5, 5))
	s.applied()
	var stop atomic.Bool
	var sending errgroup.Group
	var sent atomic.Int64
	sending.Go(func() error {
		for !stop.Load() {
			if err := s.traffic(4, 5); err != nil {
				return err
			}
			sent.Add(20)
		}
		return nil
	})
	for range 3 {
		for _, p := range BuiltIn() {
			var most, all atomic.Int64
			require.NoError(t, Rebuild(context.Background(), s.pool, p, func(done, total int64) {
				most.Store(max(most.Load(), done))
				all.Store(total)
			}))
			require.Positive(t, most.Load())
			require.Equal(t, most.Load(), all.Load())
		}
	}
	stop.Store(true)
	require.NoError(t, sending.Wait())
	s.applied()
	require.EqualValues(t, 25+sent.Load(), count(t, s.pool, `SELECT count(*) FROM timeline.messages`))
	s.requireSame()
	require.Equal(t, 2, count(t, s.pool, `SELECT count(*) FROM pg_indexes WHERE indexname IN ('members_user', 'users_display_name') AND schemaname IN ('inbox', 'directory')`))
	require.Zero(t, count(t, s.pool, `SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%rebuild%'`))
}

func TestRebuildChecks(t *testing.T) {
	pool := installed(t)
	ctx := context.Background()
	changed := BuiltIn()[2]
	changed.Schema += "\nCREATE TABLE more (id uuid PRIMARY KEY);"
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	require.NoError(t, Install(ctx, pool, BuiltIn(), logger))
	require.Empty(t, logged.String())
	require.NoError(t, Install(ctx, pool, []Projection{changed}, logger))
	require.Contains(t, logged.String(), "ping projection rebuild directory")
	w := &worker{Runner: &Runner{pool: pool}, projection: changed}
	_, err := w.open(ctx)
	require.ErrorIs(t, err, errOtherSQL, "other SQL is not run on these tables")

	require.NoError(t, Rebuild(ctx, pool, changed, func(int64, int64) {}))
	logged.Reset()
	require.NoError(t, Install(ctx, pool, []Projection{changed}, logger))
	require.Empty(t, logged.String())
	require.Zero(t, count(t, pool, `SELECT count(*) FROM directory.more`))

	// One rebuild of a projection at a time.
	conn, err := pool.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(ctx, `SELECT pg_advisory_lock($1, $2)`, lockClass("directory"), lockRebuild)
	require.NoError(t, err)
	require.ErrorContains(t, Rebuild(ctx, pool, changed, func(int64, int64) {}), "another rebuild")
	_, err = conn.Exec(ctx, `SELECT pg_advisory_unlock_all()`)
	require.NoError(t, err)
}

func TestHalve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var spans []span
		for p := range rapid.IntRange(1, 5).Draw(t, "partitions") {
			after := rapid.Int64Range(0, 100).Draw(t, "after")
			spans = append(spans, span{int16(p), after, after + rapid.Int64Range(1, 20).Draw(t, "events")})
		}
		if events(spans) < 2 {
			t.Skip("nothing to halve")
		}
		first, second := halve(spans)
		require.Equal(t, events(spans)/2, events(first))
		require.Equal(t, events(spans), events(first)+events(second))
		at := map[int16]int64{}
		for _, s := range spans {
			at[s.partition] = s.after
		}
		for _, s := range append(first, second...) {
			require.Equal(t, at[s.partition], s.after)
			require.Less(t, s.after, s.upto)
			at[s.partition] = s.upto
		}
		for _, s := range spans {
			require.Equal(t, s.upto, at[s.partition])
		}
	})
}

// TestApplyReadsByIndex holds the cost of a batch independent of the tables'
// size, with plans that were made when they were empty.
func TestApplyReadsByIndex(t *testing.T) {
	pool := installed(t)
	ctx := context.Background()
	w := newWriter()
	w.chat(20, 10, 10, 12_000)
	for n := range 1000 { // of what makes the tables larger, too
		g := n % 20
		member := named("user", g*10+1+n/20%9)
		id := named("conversation", g)
		w.append(id, member, domain.MemberRemoved{UserID: member})
		w.append(id, named("user", g*10), domain.MemberAdded{UserID: member, Role: domain.RoleMember})
		w.append(id, member, domain.ReadAdvanced{Seq: w.versions[id]})
		w.append(id, member, domain.MessageSent{Body: "back again"})
	}
	w.store(t, pool)
	_, err := pool.Exec(ctx, `ANALYZE log.events`) // the log is large when the tables are empty
	require.NoError(t, err)
	for _, p := range BuiltIn() {
		rewind(t, pool, p)
		a := applierFor(t, pool, p)
		var batches [][]span
		for at := int64(0); ; at += 30 {
			var batch []span
			for part, head := range w.heads {
				if at < head {
					batch = append(batch, span{int16(part), at, min(at+30, head)})
				}
			}
			if len(batch) == 0 {
				break
			}
			batches = append(batches, batch)
		}
		for i, batch := range batches {
			if i == len(batches)/2 {
				_, err := a.conn.Exec(ctx, `SELECT pg_stat_force_next_flush()`)
				require.NoError(t, err)
				_, err = a.conn.Exec(ctx, `SELECT pg_stat_reset()`)
				require.NoError(t, err)
			}
			require.NoError(t, a.apply(ctx, batch))
		}
		_, err := a.conn.Exec(ctx, `SELECT pg_stat_force_next_flush()`)
		require.NoError(t, err)
		var sequential, fetched int
		require.NoError(t, a.conn.QueryRow(ctx, `
			SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE schemaname = $1),
			       (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE schemaname = $1)`,
			p.Name).Scan(&sequential, &fetched))
		require.Zero(t, sequential, p.Name)
		require.Less(t, fetched, len(w.events), p.Name) // about one row per event of the second half
	}
}

// chat makes groups of members each, and messages to the groups in turn, from
// the first so many members of each in turn.
func (w *writer) chat(groups, members, senders, messages int) {
	users := make([]domain.ID, groups*members)
	for i := range users {
		users[i] = named("user", i)
		w.append(users[i], users[i], domain.UserRegistered{DisplayName: "User"})
	}
	ids := make([]domain.ID, groups)
	for g := range ids {
		ids[g] = w.group(g, users[g*members:(g+1)*members]...)
	}
	for n := range messages {
		g := n * 7 % groups
		w.append(ids[g], users[g*members+n/groups%senders], domain.MessageSent{Body: "what a wonderful day it is today, isn't it? I'll be there at eight"})
	}
}
