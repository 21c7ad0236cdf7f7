package eventlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

// history is a state that is the list of its decisive events, in their order.
type history struct{ users []domain.ID }

func (h *history) evolve(e domain.Event) {
	if added, ok := e.(domain.MemberAdded); ok {
		h.users = append(h.users, added.UserID)
	}
}

func histories(name string) eventlog.Aggregate[*history] {
	return eventlog.Aggregate[*history]{
		Name: name, New: func() *history { return &history{} }, Evolve: (*history).evolve,
		Size: func(h *history) int { return 16 * len(h.users) },
	}
}

// readHistory reads the versions and users of a stream's decisive events.
func readHistory(t *testing.T, pool *pgxpool.Pool, stream domain.ID) (versions []int64, users []domain.ID) {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
SELECT version, (payload->>'user_id')::uuid FROM log.events WHERE stream = $1 AND decisive ORDER BY version`, stream)
	require.NoError(t, err)
	var version int64
	var user domain.ID
	_, err = pgx.ForEachRow(rows, []any{&version, &user}, func() error {
		versions, users = append(versions, version), append(users, user)
		return nil
	})
	require.NoError(t, err)
	return versions, users
}

// TestStatesAreExact lets workers on all nodes change the same streams at once.
// Whatever was refused, repeated, evicted or reloaded: a final decision saw the
// decisive events before it, each once.
func TestStatesAreExact(t *testing.T) {
	nodes, pool := openWithCaches(t)
	agg := histories("history")
	streams := []domain.ID{eventlog.NewID(), eventlog.NewID(), eventlog.NewID()}
	type decision struct {
		stream  domain.ID
		version int64 // of its event; 0: none
		known   int   // how many decisive events had been answered before it
		seen    []domain.ID
	}
	var mu sync.Mutex
	var decisions []decision
	answered := map[domain.ID]int{}
	errRefused := errors.New("refused")

	work := func(n *node, actor domain.ID) {
		var last eventlog.Command
		for range 60 {
			cmd := eventlog.Command{Stream: streams[rand.IntN(len(streams))], Actor: actor, Key: uuid.NewString()}
			d := decision{stream: cmd.Stream}
			mu.Lock()
			d.known = answered[cmd.Stream]
			mu.Unlock()
			var events []domain.Event
			var refusal error
			switch rand.IntN(6) {
			case 0, 1:
				events = []domain.Event{domain.MemberAdded{UserID: eventlog.NewID(), Role: domain.RoleMember}}
			case 2:
				events = []domain.Event{domain.MessageSent{MessageID: eventlog.NewID(), Body: "hello"}}
			case 3:
				refusal = errRefused
			case 4:
				if last.Key == "" {
					continue
				}
				cmd = last // a retry
				events = []domain.Event{domain.MessageSent{MessageID: eventlog.NewID(), Body: "again"}}
			}
			res, err := eventlog.Execute(t.Context(), n.Log, agg, cmd, func(h *history, _ int64) ([]domain.Event, error) {
				d.seen = slices.Clone(h.users)
				return events, refusal
			})
			if !errors.Is(err, refusal) || res.Replayed != (cmd.Key == last.Key) {
				t.Errorf("replayed: %t, error: %v, not %v", res.Replayed, err, refusal)
				return
			}
			if res.Replayed {
				continue
			}
			mu.Lock()
			if len(res.Events) > 0 {
				last, d.version = cmd, res.Version
				if events[0].Decisive() {
					answered[cmd.Stream]++
				}
			}
			decisions = append(decisions, d)
			mu.Unlock()
		}
	}
	var wait sync.WaitGroup
	for worker := range 12 {
		wait.Go(func() { work(nodes[worker%len(nodes)], eventlog.NewID()) })
	}
	wait.Wait()

	for _, stream := range streams {
		versions, users := readHistory(t, pool, stream)
		for _, d := range decisions {
			if d.stream != stream {
				continue
			}
			require.GreaterOrEqual(t, len(d.seen), d.known, "the decision saw all that was answered before")
			require.LessOrEqual(t, len(d.seen), len(users))
			require.Equal(t, users[:len(d.seen)], append([]domain.ID{}, d.seen...), "each event once, in order")
			if d.version > 0 {
				before, _ := slices.BinarySearch(versions, d.version)
				require.Len(t, d.seen, before, "all before version %d", d.version)
			}
		}
	}
	require.Positive(t, nodes[0].Refused()+nodes[1].Refused()+nodes[2].Refused())
	requireSoundLog(t, pool)
}

func TestKindsInOneBatch(t *testing.T) {
	// One stream has two kinds of state, and commands of both add to it in one batch.
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1})
	kinds := []eventlog.Aggregate[*history]{histories("this"), histories("that")}
	stream, owner, group := eventlog.NewID(), eventlog.NewID(), eventlog.NewID()
	n.createGroup(t, group, owner)
	blocker, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = blocker.Exec(t.Context(), `UPDATE log.heads SET position = position`)
	require.NoError(t, err)
	var wait sync.WaitGroup
	wait.Go(func() { n.mustSend(t, group, owner, "holds the lane") })
	waitForBlocked(t, pool, 1)
	for _, agg := range kinds {
		wait.Go(func() {
			_, err := eventlog.Execute(t.Context(), n.Log, agg, eventlog.Command{Stream: stream, Actor: owner},
				func(*history, int64) ([]domain.Event, error) {
					return []domain.Event{domain.MemberAdded{UserID: eventlog.NewID(), Role: domain.RoleMember}}, nil
				})
			if err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { return n.Waiting() == 2 }, 10*time.Second, time.Millisecond)
	require.NoError(t, blocker.Rollback(t.Context()))
	wait.Wait()
	_, users := readHistory(t, pool, stream)
	require.Len(t, users, 2)
	for i, agg := range kinds {
		var seen []domain.ID
		_, err := eventlog.Execute(t.Context(), n.Log, agg, eventlog.Command{Stream: stream, Actor: owner, Key: fmt.Sprint("read ", i)},
			func(h *history, _ int64) ([]domain.Event, error) {
				seen = slices.Clone(h.users)
				return nil, nil
			})
		require.NoError(t, err)
		require.Equal(t, users, seen)
	}
}
