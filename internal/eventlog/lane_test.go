package eventlog_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

func TestPositions(t *testing.T) {
	t.Run("are gapless and in commit order under concurrent writers on two nodes", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		nodes := []*node{open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL(), eventlog.Config{Lanes: 2})}
		owner := eventlog.NewID()
		groups := make([]domain.ID, 8)
		for i := range groups {
			groups[i] = eventlog.NewID()
			nodes[i%2].createGroup(t, groups[i], owner)
		}
		var wait sync.WaitGroup
		for w := range 16 {
			wait.Go(func() {
				for i := range 25 {
					_, err := nodes[w%2].send(t.Context(), groups[(w+i)%len(groups)], owner, uuid.NewString(), "hello")
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wait.Wait()
		require.Len(t, requireSoundLog(t, pool), 16*25+2*len(groups))
	})

	t.Run("a reader that sees a position sees all before it", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1, Lanes: 1})
		other := open(t, pool, broker.ClientURL())
		owner, group := eventlog.NewID(), eventlog.NewID()
		n.createGroup(t, group, owner)
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for _, n := range []*node{n, other} {
			for range 4 {
				wait.Go(func() {
					for ctx.Err() == nil {
						if _, err := n.send(t.Context(), group, owner, uuid.NewString(), "x"); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		// One snapshot after another: max(position) always equals count(*).
		for range 200 {
			var last, count int64
			require.NoError(t, pool.QueryRow(ctx, `SELECT max(position), count(*) FROM log.events`).Scan(&last, &count))
			require.Equal(t, count, last)
		}
		cancel()
		wait.Wait()
	})

	t.Run("times do not go back when the clock does", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		n := open(t, pool, broker.ClientURL())
		owner, group := eventlog.NewID(), eventlog.NewID()
		n.createGroup(t, group, owner)
		future := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		_, err := pool.Exec(t.Context(), `UPDATE log.heads SET recorded_at = $1`, future)
		require.NoError(t, err)
		require.Equal(t, future, n.mustSend(t, group, owner, "later").RecordedAt)
	})
}

func TestGroupCommit(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1})
	owner, group := eventlog.NewID(), eventlog.NewID()
	n.createGroup(t, group, owner)

	// While another writer holds the partition, commands queue for the next batch.
	blocker, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = blocker.Exec(t.Context(), `UPDATE log.heads SET position = position`)
	require.NoError(t, err)
	var wait sync.WaitGroup
	const commands = 100
	for range commands {
		wait.Go(func() {
			if _, err := n.send(t.Context(), group, owner, uuid.NewString(), "together"); err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { return n.Waiting() >= commands/2 }, 10*time.Second, time.Millisecond)
	require.NoError(t, blocker.Commit(t.Context()))
	wait.Wait()

	var transactions int
	require.NoError(t, pool.QueryRow(t.Context(),
		`SELECT count(DISTINCT xmin::text) FROM log.events WHERE type = 'message.sent'`).Scan(&transactions))
	require.LessOrEqual(t, transactions, commands/4, "commands that waited together were committed together")
	requireSoundLog(t, pool)
}

func TestGuard(t *testing.T) {
	t.Run("two nodes sending to one hot group never conflict", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		a, b := open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL())
		owner, group := eventlog.NewID(), eventlog.NewID()
		a.createGroup(t, group, owner)
		var wait sync.WaitGroup
		for w := range 8 {
			wait.Go(func() {
				for range 50 {
					if _, err := []*node{a, b}[w%2].send(t.Context(), group, owner, uuid.NewString(), "hot"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		require.Zero(t, a.Refused()+b.Refused())
		requireSoundLog(t, pool)
	})

	t.Run("removing a member beats that member's send on another node", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		a, b := open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL())
		owner, member, group := eventlog.NewID(), eventlog.NewID(), eventlog.NewID()
		a.createGroup(t, group, owner, member)
		b.mustSend(t, group, member, "b now holds the state in which I am a member")
		a.removeMember(t, group, owner, member)
		_, err := b.send(t.Context(), group, member, uuid.NewString(), "too late")
		require.ErrorIs(t, err, domain.ErrConversationNotFound)
		require.EqualValues(t, 1, b.Refused(), "the log refused it: b's state was stale")
		b.mustSend(t, group, owner, "others go on")
	})

	t.Run("a removal in progress beats a send decided before it committed", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		a, b := open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL())
		owner, member, group := eventlog.NewID(), eventlog.NewID(), eventlog.NewID()
		a.createGroup(t, group, owner, member)
		b.mustSend(t, group, member, "warm")

		// The partition is held; the removal queues for it first, the send second.
		blocker, err := pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = blocker.Exec(t.Context(), `UPDATE log.heads SET position = position WHERE partition = $1`, a.PartitionOf(group))
		require.NoError(t, err)
		var wait sync.WaitGroup
		wait.Go(func() { a.removeMember(t, group, owner, member) })
		waitForBlocked(t, pool, 1)
		var sendErr error
		wait.Go(func() { _, sendErr = b.send(t.Context(), group, member, uuid.NewString(), "too late") })
		waitForBlocked(t, pool, 2)
		require.NoError(t, blocker.Rollback(t.Context()))
		wait.Wait()
		require.ErrorIs(t, sendErr, domain.ErrConversationNotFound)
		requireSoundLog(t, pool)
	})

	t.Run("nobody is refused on a stale state", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		a, b := open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL())
		owner, late, group := eventlog.NewID(), eventlog.NewID(), eventlog.NewID()
		a.createGroup(t, group, owner)
		b.mustSend(t, group, owner, "b holds the state without the late member")
		_, err := a.addMember(t.Context(), group, owner, late, "")
		require.NoError(t, err)
		b.mustSend(t, group, late, "I am in")
	})
}

// waitForBlocked waits until this number of appends wait for a lock.
func waitForBlocked(t testing.TB, pool *pgxpool.Pool, appends int) {
	t.Helper()
	require.Eventually(t, func() bool {
		var n int
		err := pool.QueryRow(t.Context(), `
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%log.append%'`).Scan(&n)
		return err == nil && n >= appends
	}, 10*time.Second, 2*time.Millisecond)
}

func TestIsolation(t *testing.T) {
	// Two commands use the same message id: Postgres refuses one of them, and the
	// others of its transaction are stored all the same.
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1})
	owner, group := eventlog.NewID(), eventlog.NewID()
	n.createGroup(t, group, owner)
	taken := n.mustSend(t, group, owner, "first").ID

	blocker, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = blocker.Exec(t.Context(), `UPDATE log.heads SET position = position`)
	require.NoError(t, err)
	var wait sync.WaitGroup
	errs := make([]error, 10)
	for i := range errs {
		wait.Go(func() {
			id := eventlog.NewID()
			if i == 5 {
				id = taken
			}
			_, errs[i] = n.do(t.Context(), eventlog.Command{Stream: group, Actor: owner}, func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
				return c.SendMessage(domain.SendMessage{Actor: owner, MessageID: id, Body: fmt.Sprint(i)})
			})
		})
	}
	require.Eventually(t, func() bool { return n.Waiting() >= 5 }, 10*time.Second, time.Millisecond)
	require.NoError(t, blocker.Rollback(t.Context()))
	wait.Wait()
	for i, err := range errs {
		if i == 5 {
			require.ErrorContains(t, err, "events_id")
		} else {
			require.NoError(t, err)
		}
	}
	requireSoundLog(t, pool)
}

func TestAnotherKind(t *testing.T) {
	// A user's id in place of a conversation's: the user is not a member there, and
	// their own stream still works.
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	n := open(t, pool, broker.ClientURL())
	user := eventlog.NewID()
	register := func() (eventlog.Result, error) {
		return eventlog.Execute(t.Context(), n.Log, eventlog.Users, eventlog.Command{Stream: user, Actor: user},
			func(u *domain.User, _ int64) ([]domain.Event, error) {
				return u.Register(domain.RegisterUser{DisplayName: "Ann"})
			})
	}
	for range 2 {
		_, err := n.send(t.Context(), user, user, "", "to myself")
		require.ErrorIs(t, err, domain.ErrConversationNotFound)
		_, err = register()
		require.NoError(t, err)
	}
	require.Len(t, requireSoundLog(t, pool), 1)
}

func TestBatchOfRetries(t *testing.T) {
	// A repeated command makes the log refuse its whole batch. Decisions of the batch
	// that rest on its own unaccepted events must not be answered.
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	a := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1, Lanes: 1})
	owner, group := eventlog.NewID(), eventlog.NewID()
	a.createGroup(t, group, owner)
	_, err := a.send(t.Context(), group, owner, "retried", "retried")
	require.NoError(t, err)

	blocker, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = blocker.Exec(t.Context(), `UPDATE log.heads SET position = position`)
	require.NoError(t, err)
	var wait sync.WaitGroup
	wait.Go(func() { a.mustSend(t, group, owner, "holds the lane") })
	waitForBlocked(t, pool, 1)
	direct, other := eventlog.NewID(), eventlog.NewID()
	wait.Go(func() {
		if _, err := a.send(t.Context(), group, owner, "retried", "retried"); err != nil {
			t.Error(err)
		}
	})
	results := make([]eventlog.Result, 2)
	for i := range results {
		wait.Go(func() {
			var err error
			results[i], err = a.do(t.Context(), eventlog.Command{Stream: direct, Actor: owner, Key: fmt.Sprint("create-", i)},
				func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
					return c.Create(domain.CreateConversation{Actor: owner, Kind: domain.Direct, Members: []domain.ID{other}})
				})
			if err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { return a.Waiting() == 3 }, 10*time.Second, time.Millisecond)
	require.NoError(t, blocker.Rollback(t.Context()))
	wait.Wait()
	for _, r := range results {
		require.Positive(t, r.At.Position, "the conversation exists when its creator gets an answer")
	}
}
