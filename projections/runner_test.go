package projections

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"ping/domain"
	"ping/internal/checkpoint"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

// system is a log that runs, and what the tests do with it.
type system struct {
	t    testing.TB
	pool *pgxpool.Pool
	log  *eventlog.Log
}

func newSystem(t testing.TB, pool *pgxpool.Pool, cfg eventlog.Config) *system {
	t.Helper()
	nc, err := eventlog.Connect(testkit.NATS(t).ClientURL())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	log, err := eventlog.Open(ctx, pool, nc, cfg, testkit.Logger(t))
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		if err := log.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("log: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		nc.Close()
	})
	return &system{t: t, pool: pool, log: log}
}

// start runs a runner until the test ends, or until stop is called.
func (s *system) start(logger *slog.Logger) (r *Runner, stop func()) {
	r = NewRunner(s.pool, s.log, BuiltIn(), Config{Interval: time.Millisecond, LeaseCheck: 20 * time.Millisecond}, logger)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			s.t.Errorf("runner: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	s.t.Cleanup(stop)
	return r, stop
}

// applied waits until all projections have applied the whole log.
func (s *system) applied() {
	s.t.Helper()
	var positions []eventlog.At
	for p, tip := range s.log.Tips() {
		positions = append(positions, eventlog.At{Partition: p, Position: tip})
	}
	var names []string
	for _, p := range BuiltIn() {
		names = append(names, p.Name)
	}
	waiter := checkpoint.New(s.pool, s.log.Partitions())
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := waiter.Wait(context.Background(), positions, names...)
		if errors.Is(err, checkpoint.ErrBehind) && time.Now().Before(deadline) {
			continue
		}
		require.NoError(s.t, err)
		return
	}
}

func (s *system) execute(stream, actor domain.ID, decide func(*domain.Conversation) ([]domain.Event, error)) error {
	_, err := eventlog.Execute(context.Background(), s.log, eventlog.Conversations, eventlog.Command{Stream: stream, Actor: actor},
		func(c *domain.Conversation, _ int64) ([]domain.Event, error) { return decide(c) })
	return err
}

// traffic registers a user, creates groups, and sends messages to each.
func (s *system) traffic(groups, messages int) error {
	user := eventlog.NewID()
	_, err := eventlog.Execute(context.Background(), s.log, eventlog.Users, eventlog.Command{Stream: user, Actor: user},
		func(u *domain.User, _ int64) ([]domain.Event, error) {
			return u.Register(domain.RegisterUser{DisplayName: "Ada"})
		})
	if err != nil {
		return err
	}
	var senders errgroup.Group
	for range groups {
		senders.Go(func() error {
			id := eventlog.NewID()
			err := s.execute(id, user, func(c *domain.Conversation) ([]domain.Event, error) {
				return c.Create(domain.CreateConversation{Actor: user, Kind: domain.Group, Name: "a group"})
			})
			for n := 0; n < messages && err == nil; n++ {
				err = s.execute(id, user, func(c *domain.Conversation) ([]domain.Event, error) {
					return c.SendMessage(domain.SendMessage{Actor: user, MessageID: eventlog.NewID(), Body: fmt.Sprint("message ", n)})
				})
			}
			return err
		})
	}
	return senders.Wait()
}

// requireSame compares the live tables with what a rebuild makes of the log.
func (s *system) requireSame() {
	s.t.Helper()
	for _, p := range BuiltIn() {
		live := dump(s.t, s.pool, p)
		require.NoError(s.t, Rebuild(context.Background(), s.pool, p, func(done, total int64) {}))
		require.Equal(s.t, live, dump(s.t, s.pool, p), p.Name)
	}
}

// backends returns how many connections hold leases of the projection, and how
// many leases there are.
func (s *system) backends(projection string) (connections, leases int) {
	s.t.Helper()
	require.NoError(s.t, s.pool.QueryRow(context.Background(), `
		SELECT count(DISTINCT pid), count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
		 WHERE locktype = 'advisory' AND datname = current_database() AND classid = $1::bigint::oid AND objid < 256`,
		int64(lockClass(projection))).Scan(&connections, &leases))
	return connections, leases
}

func TestRunner(t *testing.T) {
	s := newSystem(t, testkit.Pool(t), eventlog.Config{})
	require.NoError(t, s.traffic(5, 10)) // before anything was installed
	r, stop := s.start(testkit.Logger(t))
	require.NoError(t, s.traffic(20, 20))
	s.applied()
	require.Equal(t, 450, count(t, s.pool, `SELECT count(*) FROM timeline.messages`))
	require.Equal(t, 2, count(t, s.pool, `SELECT count(*) FROM directory.users`))
	require.Equal(t, 25, count(t, s.pool, `SELECT count(*) FROM inbox.members m JOIN inbox.conversations c ON c.id = m.conversation_id
		WHERE m.role = 'owner' AND c.last_ordinal = m.read_ordinal AND c.member_count = 1`))
	require.Zero(t, value(t, r.metrics.parked.WithLabelValues("inbox")))
	stop()

	// What happens while nothing runs is applied at the next start.
	require.NoError(t, s.traffic(1, 1))
	s.start(testkit.Logger(t))
	s.applied()
	s.requireSame()
	// The runner whose tables were swapped goes on with the new ones.
	require.NoError(t, s.traffic(3, 3))
	s.applied()
	require.Equal(t, 460, count(t, s.pool, `SELECT count(*) FROM timeline.messages`))
}

func count(t testing.TB, pool *pgxpool.Pool, sql string) (n int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(context.Background(), sql).Scan(&n))
	return n
}

func value(t testing.TB, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	require.NoError(t, c.Write(&m))
	return m.GetCounter().GetValue()
}

func TestRunnersShare(t *testing.T) {
	s := newSystem(t, testkit.Pool(t), eventlog.Config{})
	_, stopFirst := s.start(testkit.Logger(t))
	eventually := func(connections, leases int) {
		t.Helper()
		require.Eventually(t, func() bool {
			c, l := s.backends("timeline")
			return c == connections && l == leases
		}, 10*time.Second, 5*time.Millisecond)
	}
	eventually(1, 16)
	s.start(testkit.Logger(t))
	eventually(2, 16)
	require.NoError(t, s.traffic(20, 10))
	s.applied()
	stopFirst()
	eventually(1, 16)
	require.NoError(t, s.traffic(20, 10))
	s.applied()
	s.requireSame()
}

// TestTakeover cuts the connections of both runners again and again while
// events come in: every event is applied once all the same.
func TestTakeover(t *testing.T) {
	s := newSystem(t, testkit.Pool(t), eventlog.Config{})
	s.start(slog.New(slog.DiscardHandler)) // it complains, rightly
	s.start(slog.New(slog.DiscardHandler))
	ctx := context.Background()
	for range 8 {
		require.NoError(t, s.traffic(10, 5))
		_, err := s.pool.Exec(ctx, `
			SELECT pg_terminate_backend(pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			 WHERE locktype = 'advisory' AND datname = current_database() AND objid < 256 AND random() < 0.5`)
		require.NoError(t, err)
	}
	s.applied()
	require.Equal(t, 400, count(t, s.pool, `SELECT count(*) FROM timeline.messages`))
	s.requireSame()
}

// TestFence is a node that believes in a lease that it has lost.
func TestFence(t *testing.T) {
	pool := installed(t)
	ctx := context.Background()
	w := newWriter()
	ada := named("user", 1)
	group := w.group(1, ada)
	for range 10 {
		w.append(group, ada, domain.MessageSent{Body: "hello"})
	}
	w.store(t, pool)
	p := BuiltIn()[0]
	rewind(t, pool, p)
	first, second := applierFor(t, pool, p), applierFor(t, pool, p)
	whole := w.whole()
	part := []span{{whole[0].partition, 0, 5}}
	require.NoError(t, first.apply(ctx, part))
	before := dump(t, pool, p)
	require.ErrorIs(t, second.apply(ctx, whole), errFenced)
	require.ErrorIs(t, second.park(ctx, span{whole[0].partition, 0, 1}, errors.New("x")), errFenced)
	require.Equal(t, before, dump(t, pool, p))

	// Also when both apply the same at the same time.
	rest := []span{{whole[0].partition, 5, whole[0].upto}}
	results := make(chan error, 2)
	for _, a := range []*applier{first, second} {
		go func() { results <- a.apply(ctx, rest) }()
	}
	if one, other := <-results, <-results; one == nil {
		require.ErrorIs(t, other, errFenced)
	} else {
		require.ErrorIs(t, one, errFenced)
		require.NoError(t, other)
	}
	require.Equal(t, 10, count(t, pool, `SELECT count(*) FROM timeline.messages`))
}

func TestPoison(t *testing.T) {
	pool := testkit.Pool(t)
	w := newWriter()
	ada, bob := named("user", 1), named("user", 2)
	group := w.group(1, ada, bob)
	var poison []recorded
	for n := range 200 {
		w.append(group, ada, domain.MessageSent{Body: fmt.Sprint("message ", n)})
		switch n {
		case 20, 21, 150:
			poison = append(poison, w.append(group, bob, raw{"read.advanced", `{"seq":"a secret"}`}))
		case 80:
			w.append(group, bob, domain.ReadAdvanced{Seq: 50})
		}
	}
	w.store(t, pool)
	s := newSystem(t, pool, eventlog.Config{Partitions: partitions})
	var logged bytes.Buffer
	r, stop := s.start(slog.New(slog.NewTextHandler(&logged, nil)))
	s.applied()

	require.Equal(t, 200, count(t, pool, `SELECT count(*) FROM timeline.messages`))
	for _, e := range poison {
		var reason string
		require.NoError(t, pool.QueryRow(context.Background(), `
			SELECT error FROM projections.parked WHERE projection = 'inbox' AND partition = $1 AND position = $2 AND event_id = $3`,
			e.partition, e.position, uuid.UUID(e.id)).Scan(&reason))
		require.Equal(t, "invalid input syntax for type bigint (SQLSTATE 22P02)", reason)
	}
	require.Equal(t, 3, count(t, pool, `SELECT count(*) FROM projections.parked`))
	require.EqualValues(t, 3, value(t, r.metrics.parked.WithLabelValues("inbox")))
	// The events around are applied: Bob's marker, which was between two of them.
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM inbox.members WHERE user_id = '`+uuid.UUID(bob).String()+`' AND read_ordinal > 0`))
	stop()
	require.NotContains(t, logged.String(), "a secret")
	require.Contains(t, logged.String(), fmt.Sprintf("partition=%d position=%d", poison[0].partition, poison[0].position))

	// A rebuild must not leave anything out: it stops there, and the live
	// tables stay.
	live := dump(t, pool, BuiltIn()[1])
	err := Rebuild(context.Background(), pool, BuiltIn()[1], func(int64, int64) {})
	var stopped *PoisonError
	require.ErrorAs(t, err, &stopped)
	require.Equal(t, PoisonError{"inbox", int(poison[0].partition), poison[0].position, "invalid input syntax for type bigint (SQLSTATE 22P02)"}, *stopped)
	require.Equal(t, live, dump(t, pool, BuiltIn()[1]))
	require.Zero(t, count(t, pool, `SELECT count(*) FROM projections.checkpoints WHERE projection LIKE '%rebuild%'`))
	require.Zero(t, count(t, pool, `SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%rebuild%'`))
}
