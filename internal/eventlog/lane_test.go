package eventlog_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

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

	t.Run("a reader who has seen a position has seen all before it", func(t *testing.T) {
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
			var most, count int64
			require.NoError(t, pool.QueryRow(ctx, `SELECT max(position), count(*) FROM log.events`).Scan(&most, &count))
			require.Equal(t, count, most)
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

	// While another writer holds the partition, commands wait and gather.
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

	t.Run("a removal that is under way beats a send decided before it committed", func(t *testing.T) {
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

	t.Run("nobody is refused on old knowledge", func(t *testing.T) {
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

// waitForBlocked waits until so many appends wait for a lock.
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

func TestExactlyOnce(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	a, b := open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL())
	owner, group := eventlog.NewID(), eventlog.NewID()
	a.createGroup(t, group, owner)

	t.Run("a retry answers as the first time, on every node and after a restart", func(t *testing.T) {
		first, err := a.send(t.Context(), group, owner, "key-1", "once")
		require.NoError(t, err)
		require.False(t, first.Replayed)
		restarted := open(t, pool, broker.ClientURL())
		for _, n := range []*node{a, b, restarted} {
			again, err := n.send(t.Context(), group, owner, "key-1", "once")
			require.NoError(t, err)
			require.True(t, again.Replayed)
			require.Equal(t, first.At, again.At)
			require.Equal(t, string(first.Events[0].Frame), string(again.Events[0].Frame))
		}
	})

	t.Run("the same key with another request is refused", func(t *testing.T) {
		_, err := a.send(t.Context(), group, owner, "key-2", "this")
		require.NoError(t, err)
		_, err = b.send(t.Context(), group, owner, "key-2", "that")
		require.ErrorIs(t, err, eventlog.ErrKeyReused)
	})

	t.Run("one user's key does not meet another's", func(t *testing.T) {
		member := eventlog.NewID()
		_, err := a.addMember(t.Context(), group, owner, member, "")
		require.NoError(t, err)
		_, err = a.send(t.Context(), group, owner, "1", "hello")
		require.NoError(t, err)
		res, err := a.send(t.Context(), group, member, "1", "hello")
		require.NoError(t, err)
		require.False(t, res.Replayed)
		require.Equal(t, member, res.Events[0].Actor)
	})

	t.Run("one key from many callers on two nodes at once is one event", func(t *testing.T) {
		const callers = 24
		results := make([]eventlog.Result, callers)
		var wait sync.WaitGroup
		for i := range callers {
			wait.Go(func() {
				var err error
				if results[i], err = []*node{a, b}[i%2].send(t.Context(), group, owner, "key-3", "crowd"); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		original := 0
		for _, r := range results {
			require.Equal(t, results[0].At, r.At)
			if !r.Replayed {
				original++
			}
		}
		require.Equal(t, 1, original)
	})

	t.Run("a command of many events is found again whole", func(t *testing.T) {
		id, members := eventlog.NewID(), []domain.ID{eventlog.NewID(), eventlog.NewID(), eventlog.NewID()}
		create := func(n *node) eventlog.Result {
			res, err := n.do(t.Context(), eventlog.Command{Stream: id, Key: "create", Actor: owner}, func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
				return c.Create(domain.CreateConversation{Actor: owner, Kind: domain.Group, Name: "g", Members: members})
			})
			require.NoError(t, err)
			return res
		}
		first := create(a)
		a.mustSend(t, id, owner, "after")
		again := create(b)
		require.True(t, again.Replayed)
		require.Len(t, again.Events, 5)
		require.Equal(t, first.At, again.At)
		require.Equal(t, first.Version, again.Version)
	})

	t.Run("a success without an event stays one when the state has changed", func(t *testing.T) {
		member := eventlog.NewID()
		_, err := a.addMember(t.Context(), group, owner, member, "add-1")
		require.NoError(t, err)
		noop, err := a.addMember(t.Context(), group, owner, member, "add-2")
		require.NoError(t, err)
		require.Empty(t, noop.Events)
		a.removeMember(t, group, owner, member)
		again, err := b.addMember(t.Context(), group, owner, member, "add-2")
		require.NoError(t, err)
		require.True(t, again.Replayed)
		require.Empty(t, again.Events)
		_, err = b.send(t.Context(), group, member, uuid.NewString(), "still out")
		require.ErrorIs(t, err, domain.ErrConversationNotFound)
	})

	t.Run("a retry of a success is not refused by what happened since", func(t *testing.T) {
		member := eventlog.NewID()
		_, err := a.addMember(t.Context(), group, owner, member, "")
		require.NoError(t, err)
		_, err = a.send(t.Context(), group, member, "key-4", "I was here")
		require.NoError(t, err)
		a.removeMember(t, group, owner, member)
		again, err := a.send(t.Context(), group, member, "key-4", "I was here")
		require.NoError(t, err)
		require.True(t, again.Replayed)
	})
	requireSoundLog(t, pool)
}

func TestIsolation(t *testing.T) {
	// Two commands bring the same message id: Postgres refuses one of them, and
	// those that share its transaction are stored all the same.
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

func TestPostgresAway(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	n := open(t, pool, broker.ClientURL(), eventlog.Config{AppendTimeout: 300 * time.Millisecond})
	owner, group := eventlog.NewID(), eventlog.NewID()
	n.createGroup(t, group, owner)

	t.Run("a connection cut under an append is retried without a second event", func(t *testing.T) {
		n := open(t, pool, broker.ClientURL())
		n.mustSend(t, group, owner, "warm")
		blocker, err := pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = blocker.Exec(t.Context(), `UPDATE log.heads SET position = position`)
		require.NoError(t, err)
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := n.send(t.Context(), group, owner, "cut", "cut"); err != nil {
				t.Error(err)
			}
		})
		waitForBlocked(t, pool, 1)
		_, err = pool.Exec(t.Context(), `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%log.append%'`)
		require.NoError(t, err)
		require.NoError(t, blocker.Rollback(t.Context()))
		wait.Wait()
		var stored int
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM log.events WHERE payload->>'body' = 'cut'`).Scan(&stored))
		require.Equal(t, 1, stored)
	})

	t.Run("a lost answer to a command without a key is no second event", func(t *testing.T) {
		// The commit succeeds and its answer is lost: the proxy cuts the
		// connection when the answer comes back.
		proxied, lose := losingPool(t, pool)
		n := open(t, proxied, broker.ClientURL())
		n.mustSend(t, group, owner, "warm")
		lose()
		began := time.Now()
		res, err := n.send(t.Context(), group, owner, "", "answer lost")
		require.NoError(t, err)
		require.False(t, res.Replayed)
		require.Less(t, time.Since(began), 5*time.Second, "the lane did not spin until its time-out")
		var stored int
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM log.events WHERE payload->>'body' = 'answer lost'`).Scan(&stored))
		require.Equal(t, 1, stored)
	})

	t.Run("commands are told that the log cannot be reached", func(t *testing.T) {
		blocker, err := pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = blocker.Exec(t.Context(), `UPDATE log.heads SET position = position`)
		require.NoError(t, err)
		_, err = n.send(t.Context(), group, owner, "late", "late")
		require.ErrorIs(t, err, eventlog.ErrUnavailable)
		require.NoError(t, blocker.Rollback(t.Context()))
		// The retry finds out whether it happened, and makes it happen once.
		_, err = n.send(t.Context(), group, owner, "late", "late")
		require.NoError(t, err)
	})

	t.Run("a stopped node answers that it is closed", func(t *testing.T) {
		require.NoError(t, n.stop())
		_, err := n.send(t.Context(), group, owner, "closed", "closed")
		require.ErrorIs(t, err, eventlog.ErrClosed)
	})
	requireSoundLog(t, pool)
}

func TestAnotherKind(t *testing.T) {
	// A user's id where a conversation's belongs: outside, and nothing breaks.
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
	// A repeated command makes the log refuse the batch that it is in. What the
	// batch decided on its own unaccepted events must not be answered.
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
		require.Positive(t, r.At.Position, "the conversation is there when a creator is told so")
	}
}

// losingPool returns connections to the same database of which, after lose is
// called, the next to run an append is cut when Postgres has answered it.
func losingPool(t *testing.T, pool *pgxpool.Pool) (proxied *pgxpool.Pool, lose func()) {
	t.Helper()
	cfg := pool.Config()
	dial := cfg.ConnConfig.DialFunc
	var armed atomic.Bool
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &losingConn{Conn: conn, armed: &armed}, err
	}
	proxied, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(proxied.Close)
	return proxied, func() { armed.Store(true) }
}

type losingConn struct {
	net.Conn
	armed  *atomic.Bool
	doomed atomic.Bool
}

func (c *losingConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("answer lost")) && c.armed.CompareAndSwap(true, false) {
		c.doomed.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *losingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.doomed.Load() && err == nil {
		_ = c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func TestVersionsAt(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 2})
	owner := eventlog.NewID()
	groups := make([]domain.ID, 5)
	for i := range groups {
		groups[i] = eventlog.NewID()
		n.createGroup(t, groups[i], owner)
	}
	for i := range 150 {
		n.mustSend(t, groups[(i*i)%len(groups)], owner, "x")
	}
	events := requireSoundLog(t, pool)
	rapid.Check(t, func(t *rapid.T) {
		at := []int64{rapid.Int64Range(0, 200).Draw(t, "p0"), rapid.Int64Range(0, 200).Draw(t, "p1")}
		want := make([]int64, len(groups))
		for i, g := range groups {
			for _, e := range events {
				if e.Stream == g && e.Position <= at[e.Partition] {
					want[i] = max(want[i], e.Version)
				}
			}
		}
		got, err := n.VersionsAt(context.Background(), groups, at)
		if err != nil {
			t.Fatal(err)
		}
		require.Equal(t, want, got)
	})
}
