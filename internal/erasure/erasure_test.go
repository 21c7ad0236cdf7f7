package erasure_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/devservices"
	"ping/internal/ephemeral"
	"ping/internal/erasure"
	"ping/internal/eventlog"
	"ping/internal/identity"
	"ping/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// world is the parts that nodes share.
type world struct {
	pool   *pgxpool.Pool
	broker *devservices.NATS
	store  *ephemeral.Store
}

func newWorld(t *testing.T) world {
	return world{testkit.Pool(t), testkit.NATS(t), ephemeral.New(testkit.Redis(t), "secret", testkit.Logger(t))}
}

// quick is an eraser that need not wait long: a node that has not looked at
// Postgres within this Trust publishes nothing from memory.
var quick = erasure.Config{Poll: 20 * time.Millisecond, Settle: 200 * time.Millisecond}

// open starts a log on the world's parts.
func (w world) open(t *testing.T) *eventlog.Log {
	t.Helper()
	nc, err := eventlog.Connect(w.broker.ClientURL())
	require.NoError(t, err)
	log, err := eventlog.Open(t.Context(), w.pool, nc, eventlog.Config{Partitions: 4, MaxMemoryAge: 100 * time.Millisecond}, testkit.Logger(t))
	require.NoError(t, err)
	run(t, log.Run, nc.Close)
	return log
}

// run runs work until the test ends, or until stop.
func run(t *testing.T, work func(context.Context) error, after func()) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- work(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		after()
	})
	t.Cleanup(stop)
	return stop
}

// person is a user, all of whose texts hold the marker.
type person struct {
	id     domain.ID
	marker string
	groups []domain.ID
}

func execute(t *testing.T, log *eventlog.Log, stream, actor domain.ID, decide func(*domain.Conversation) ([]domain.Event, error)) eventlog.Result {
	t.Helper()
	done, err := eventlog.Execute(t.Context(), log, eventlog.Conversations, eventlog.Command{Stream: stream, Actor: actor, Key: eventlog.NewID().String(), Fingerprint: 1},
		func(c *domain.Conversation, _ int64) ([]domain.Event, error) { return decide(c) })
	require.NoError(t, err)
	return done
}

// aPerson registers a user who writes in a group, has left another, and writes
// to one person directly.
func (w world) aPerson(t *testing.T, log *eventlog.Log) person {
	t.Helper()
	p := person{id: eventlog.NewID()}
	p.marker = "m" + p.id.String()[24:]
	_, err := w.pool.Exec(t.Context(), `
INSERT INTO identity.credentials (user_id, email, password_hash, registered_at) VALUES ($1, $2, 'x', now())`, [16]byte(p.id), p.marker+"@example.org")
	require.NoError(t, err)
	_, err = eventlog.Execute(t.Context(), log, eventlog.Users, eventlog.Command{Stream: p.id, Actor: p.id},
		func(u *domain.User, _ int64) ([]domain.Event, error) {
			return u.Register(domain.RegisterUser{DisplayName: "name " + p.marker})
		})
	require.NoError(t, err)
	for _, bio := range []string{"first " + p.marker, "second " + p.marker} {
		_, err = eventlog.Execute(t.Context(), log, eventlog.Users, eventlog.Command{Stream: p.id, Actor: p.id},
			func(u *domain.User, _ int64) ([]domain.Event, error) {
				return u.ChangeProfile(domain.ChangeProfile{Bio: &bio})
			})
		require.NoError(t, err)
	}
	other := eventlog.NewID()
	for _, kind := range []domain.Kind{domain.Group, domain.Group, domain.Direct} {
		create := domain.CreateConversation{Actor: other, Kind: kind, Members: []domain.ID{p.id}}
		id := domain.DirectID(other, p.id)
		if kind == domain.Group {
			create.Name, id = "group", eventlog.NewID()
		}
		execute(t, log, id, other, func(c *domain.Conversation) ([]domain.Event, error) { return c.Create(create) })
		said := p.say(t, log, id)
		m, err := log.Message(t.Context(), id, said)
		require.NoError(t, err)
		execute(t, log, id, p.id, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.EditMessage(domain.EditMessage{Actor: p.id, Message: m, Body: "edited " + p.marker})
		})
		p.groups = append(p.groups, id)
	}
	execute(t, log, p.groups[1], p.id, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.RemoveMember(domain.RemoveMember{Actor: p.id, UserID: p.id})
	})
	return p
}

func (p person) say(t *testing.T, log *eventlog.Log, conversation domain.ID) domain.ID {
	t.Helper()
	return execute(t, log, conversation, p.id, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.SendMessage(domain.SendMessage{Actor: p.id, MessageID: eventlog.NewID(), Body: "says " + p.marker})
	}).Events[0].ID
}

// ask asks for the erasure of a person, as commands do.
func (w world) ask(t *testing.T, p person) {
	t.Helper()
	_, err := w.pool.Exec(t.Context(), `
WITH gone AS (DELETE FROM identity.credentials WHERE user_id = $1 RETURNING user_id)
INSERT INTO identity.erasures (user_id) SELECT user_id FROM gone`, [16]byte(p.id))
	require.NoError(t, err)
}

func (w world) finished(t *testing.T, p person) bool {
	t.Helper()
	var finished bool
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT finished_at IS NOT NULL FROM identity.erasures WHERE user_id = $1`, [16]byte(p.id)).Scan(&finished))
	return finished
}

// awaitMirror waits until the mirror has all that a person wrote: three
// messages and their edits, a name and two more texts.
func (w world) awaitMirror(t *testing.T, p person) {
	t.Helper()
	require.Eventually(t, func() bool {
		mirrored := 0
		for _, place := range testkit.Marked(t, w.pool, w.broker.ClientURL(), p.marker) {
			if strings.HasPrefix(place, "PING_") {
				mirrored++
			}
		}
		return mirrored == 9
	}, 20*time.Second, 10*time.Millisecond)
}

func (w world) requireFinished(t *testing.T, p person) {
	t.Helper()
	require.Eventually(t, func() bool { return w.finished(t, p) }, 30*time.Second, 10*time.Millisecond)
	require.Empty(t, testkit.Marked(t, w.pool, w.broker.ClientURL(), p.marker))
}

// types returns the types of a stream's last events.
func types(t *testing.T, log *eventlog.Log, stream domain.ID, last int) (types []string) {
	t.Helper()
	events, err := log.ReadStream(t.Context(), stream, 0, 1000)
	require.NoError(t, err)
	for _, e := range events[len(events)-last:] {
		types = append(types, e.Type)
	}
	return types
}

func TestErasure(t *testing.T) {
	w := newWorld(t)
	log := w.open(t)
	p, bystander := w.aPerson(t, log), w.aPerson(t, log)
	w.awaitMirror(t, bystander)
	require.NotEmpty(t, testkit.Marked(t, w.pool, w.broker.ClientURL(), p.marker))
	before := testkit.Marked(t, w.pool, w.broker.ClientURL(), bystander.marker)

	eraser := erasure.New(w.pool, identity.NewStore(w.pool), log, w.store, quick, testkit.Logger(t))
	run(t, eraser.Run, func() {})
	w.ask(t, p)
	eraser.Wake()
	w.requireFinished(t, p)

	require.Equal(t, []string{"user.erased"}, types(t, log, p.id, 1))
	require.Equal(t, []string{"member.removed", "member.erased"}, types(t, log, p.groups[0], 2))
	require.Equal(t, []string{"message.edited", "member.removed", "member.erased"}, types(t, log, p.groups[1], 3), "a former member")
	require.Equal(t, []string{"message.edited", "member.erased"}, types(t, log, p.groups[2], 2), "it stays the other's")
	require.Equal(t, before, testkit.Marked(t, w.pool, w.broker.ClientURL(), bystander.marker), "nobody else lost anything")
}

// TestErasureCrash ends an eraser after a step, the first or the nth of its
// name, and lets another finish. In a pass three conversations are gone through.
func TestErasureCrash(t *testing.T) {
	w := newWorld(t)
	log, other := w.open(t), w.open(t)
	for _, at := range []struct {
		step string
		nth  int
	}{
		{"user erased", 1}, {"redacted", 1}, {"member erased", 1}, {"redacted", 2}, {"member erased", 2}, {"redacted", 3},
		{"member erased", 3}, {"redacted", 4}, {"forgotten", 1}, {"unmirrored", 1}, {"marked", 1},
		{"user erased", 2}, {"redacted", 5}, {"member erased", 4}, {"redacted", 8}, {"forgotten", 2}, {"marked", 2},
	} {
		t.Run(fmt.Sprint("after ", at.step, " ", at.nth), func(t *testing.T) {
			p := w.aPerson(t, log)
			w.ask(t, p)
			ctx, crash := context.WithCancel(t.Context())
			defer crash()
			dying := erasure.New(w.pool, identity.NewStore(w.pool), log, w.store, quick, testkit.Logger(t))
			passed := 0
			dying.OnStep(func(step string) {
				if step == at.step {
					passed++
				}
				if passed == at.nth {
					crash()
				}
			})
			stop := run(t, func(context.Context) error { return dying.Run(ctx) }, func() {})
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Second):
				require.Fail(t, "the step was never reached")
			}
			stop()
			heir := erasure.New(w.pool, identity.NewStore(w.pool), other, w.store, quick, testkit.Logger(t))
			stopHeir := run(t, heir.Run, func() {})
			w.requireFinished(t, p)
			stopHeir()
		})
	}
}

// TestErasureRace lets a user write and join on two nodes as fast as possible while
// they are erased.
func TestErasureRace(t *testing.T) {
	w := newWorld(t)
	logs := []*eventlog.Log{w.open(t), w.open(t)}
	p, friend := w.aPerson(t, logs[0]), eventlog.NewID()
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	accepted := make(chan int, 4)
	for i := range 4 {
		writing.Go(func() {
			log, n := logs[i%2], 0
			defer func() { accepted <- n }()
			for ctx.Err() == nil {
				_, err := eventlog.Execute(ctx, log, eventlog.Conversations, eventlog.Command{Stream: p.groups[0], Actor: p.id},
					func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
						return c.SendMessage(domain.SendMessage{Actor: p.id, MessageID: eventlog.NewID(), Body: "late " + p.marker})
					})
				if err != nil {
					return
				}
				n++
			}
		})
	}
	eraser := erasure.New(w.pool, identity.NewStore(w.pool), logs[0], w.store, quick, testkit.Logger(t))
	late := domain.ID{}
	eraser.OnStep(func(step string) {
		if step == "marked" && late.IsZero() { // after the first pass, a group is created with the user
			late = eventlog.NewID()
			execute(t, logs[1], late, friend, func(c *domain.Conversation) ([]domain.Event, error) {
				return c.Create(domain.CreateConversation{Actor: friend, Kind: domain.Group, Name: "late", Members: []domain.ID{p.id}})
			})
			p.say(t, logs[1], late)
		}
	})
	require.Eventually(t, func() bool { // they are at it
		events, err := logs[0].ReadStream(t.Context(), p.groups[0], 20, 1)
		return err == nil && len(events) == 1
	}, 10*time.Second, time.Millisecond)
	w.ask(t, p)
	run(t, eraser.Run, func() {})
	writing.Wait() // each is refused in the end
	cancel()
	w.requireFinished(t, p)
	total := 0
	for range 4 {
		total += <-accepted
	}
	require.Positive(t, total)
	require.Equal(t, []string{"member.removed", "member.erased"}, types(t, logs[0], late, 2), "the second pass finds it")
}

// TestErasureWithoutNATS: Postgres is cleared at once, and the erasure is not
// finished before the mirror is.
func TestErasureWithoutNATS(t *testing.T) {
	w := newWorld(t)
	log := w.open(t)
	p := w.aPerson(t, log)
	w.awaitMirror(t, p)
	w.broker.Stop()
	eraser := erasure.New(w.pool, identity.NewStore(w.pool), log, w.store, quick, testkit.Logger(t))
	tried := make(chan string, 1000)
	eraser.OnStep(func(step string) { tried <- step })
	w.ask(t, p)
	run(t, eraser.Run, func() {})
	forgotten := 0
	for forgotten < 2 { // it has failed once, and tries again
		if step := <-tried; step == "forgotten" {
			forgotten++
		} else {
			require.NotContains(t, []string{"unmirrored", "marked"}, step)
		}
	}
	require.False(t, w.finished(t, p))
	var left int
	require.NoError(t, w.pool.QueryRow(t.Context(), fmt.Sprintf(`SELECT count(*) FROM log.events WHERE payload::text LIKE '%%%s%%'`, p.marker)).Scan(&left))
	require.Zero(t, left)
	require.NoError(t, w.broker.Start())
	w.requireFinished(t, p)
}

// whispers sends a stealth message.
func (w world) whispers(t *testing.T, author, conversation domain.ID, body string) ephemeral.Stealth {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	m, _, err := w.store.Post(t.Context(), ephemeral.Stealth{ID: eventlog.NewID(), ConversationID: conversation, AuthorID: author, Body: body,
		SentAt: now, ExpiresAt: now.Add(24 * time.Hour)}, 0, "", nil)
	require.NoError(t, err)
	return m
}

// TestErasureWithdraws: the user's stealth messages are withdrawn, including those
// that were sent during the first pass.
func TestErasureWithdraws(t *testing.T) {
	w := newWorld(t)
	log := w.open(t)
	p := w.aPerson(t, log)
	kept := w.whispers(t, eventlog.NewID(), p.groups[0], "another's")
	for _, conversation := range p.groups {
		w.whispers(t, p.id, conversation, "whispers "+p.marker)
	}
	_, err := w.store.RenewLeases(t.Context(), ephemeral.ShardOf(p.id), "node", []ephemeral.Lease{{User: p.id, State: ephemeral.Online, Life: time.Minute}})
	require.NoError(t, err)
	eraser := erasure.New(w.pool, identity.NewStore(w.pool), log, w.store, quick, testkit.Logger(t))
	late := sync.OnceFunc(func() { w.whispers(t, p.id, p.groups[1], "late "+p.marker) })
	eraser.OnStep(func(step string) {
		if step == "marked" {
			late()
		}
	})
	run(t, eraser.Run, func() {})
	w.ask(t, p)
	eraser.Wake()
	w.requireFinished(t, p)
	for i, conversation := range p.groups {
		alive, err := w.store.Alive(t.Context(), conversation, domain.ID{}, ephemeral.MaxAlive)
		require.NoError(t, err)
		if i == 0 {
			require.Equal(t, []ephemeral.Stealth{kept}, alive)
		} else {
			require.Empty(t, alive)
		}
	}
	seen, err := w.store.Presence(t.Context(), []domain.ID{p.id})
	require.NoError(t, err)
	require.Equal(t, []ephemeral.Presence{{UserID: p.id}}, seen)
}

// TestErasureWithoutRedis: all else is cleared at once. The erasure waits for
// Redis, but not for ever.
func TestErasureWithoutRedis(t *testing.T) {
	w := newWorld(t)
	log := w.open(t)
	dir := t.TempDir()
	server, err := devservices.StartRedis(t.Context(), dir)
	require.NoError(t, err)
	options, err := redis.ParseURL(server.URL())
	require.NoError(t, err)
	options.DialerRetries = 1
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() }) // nothing is lost with it
	w.store = ephemeral.New(client, "secret", testkit.Logger(t))
	stop := func() { require.NoError(t, server.Stop()) }
	stop()
	steps := func(eraser *erasure.Eraser) chan string {
		passed := make(chan string, 1000)
		eraser.OnStep(func(step string) { passed <- step })
		return passed
	}

	t.Run("until it is back", func(t *testing.T) {
		p := w.aPerson(t, log)
		w.awaitMirror(t, p)
		eraser := erasure.New(w.pool, identity.NewStore(w.pool), log, w.store, quick, testkit.Logger(t))
		passed := steps(eraser)
		w.ask(t, p)
		stopEraser := run(t, eraser.Run, func() {})
		for reached := map[string]int{}; reached["forgotten"] < 2; { // it has failed once, and tries again
			step := <-passed
			reached[step]++
			require.NotContains(t, []string{"withdrawn", "marked"}, step)
		}
		require.False(t, w.finished(t, p))
		require.Empty(t, testkit.Marked(t, w.pool, w.broker.ClientURL(), p.marker), "all else is done")
		server, err = devservices.StartRedis(t.Context(), dir)
		require.NoError(t, err)
		t.Cleanup(stop)
		w.requireFinished(t, p)
		stopEraser()
	})
	t.Run("until all in it has expired", func(t *testing.T) {
		p := w.aPerson(t, log)
		patient := quick
		patient.Fleeting = time.Nanosecond
		eraser := erasure.New(w.pool, identity.NewStore(w.pool), log, w.store, patient, testkit.Logger(t))
		passed := steps(eraser)
		w.ask(t, p)
		stopEraser := run(t, eraser.Run, func() {})
		w.requireFinished(t, p)
		stopEraser()
		close(passed)
		for step := range passed {
			require.NotEqual(t, "withdrawn", step)
		}
	})
}

// TestErasureOnce: of several nodes one works.
func TestErasureOnce(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	marked := 0
	people := []person{}
	for i := range 3 {
		log := w.open(t)
		if i == 0 {
			for range 4 {
				people = append(people, w.aPerson(t, log))
			}
			for _, p := range people {
				w.ask(t, p)
			}
		}
		eraser := erasure.New(w.pool, identity.NewStore(w.pool), log, w.store, quick, testkit.Logger(t))
		eraser.OnStep(func(step string) {
			if step == "marked" {
				mu.Lock()
				defer mu.Unlock()
				marked++
			}
		})
		run(t, eraser.Run, func() {})
	}
	for _, p := range people {
		w.requireFinished(t, p)
	}
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 2*len(people), marked, "two passes each")
}
