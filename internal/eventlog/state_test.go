package eventlog_test

import (
	"context"
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
	"pgregory.net/rapid"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

func TestStateBound(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)

	t.Run("is kept with many streams", func(t *testing.T) {
		const bound, groups = 64 << 10, 200
		n := open(t, pool, broker.ClientURL(), eventlog.Config{StateCache: bound, Lanes: 2})
		members := make([]domain.ID, 10)
		for i := range members {
			members[i] = eventlog.NewID()
		}
		var all []domain.ID
		for range groups {
			all = append(all, eventlog.NewID())
			n.createGroup(t, all[len(all)-1], members[0], members[1:]...)
			require.LessOrEqual(t, n.StateBytes(), bound)
		}
		require.Greater(t, n.StateBytes(), bound/2, "what may be kept is kept")
		for _, group := range all {
			n.mustSend(t, group, members[9], "from everywhere")
			require.LessOrEqual(t, n.StateBytes(), bound)
		}
		require.Greater(t, n.StatesEvicted(), groups)
	})

	t.Run("weighs a state again when it grows", func(t *testing.T) {
		n := open(t, pool, broker.ClientURL())
		owner, group := eventlog.NewID(), eventlog.NewID()
		n.createGroup(t, group, owner)
		small := n.StateBytes()
		members := make([]domain.Event, 1000)
		for i := range members {
			members[i] = domain.MemberAdded{UserID: eventlog.NewID(), Role: domain.RoleMember}
		}
		_, err := n.do(t.Context(), eventlog.Command{Stream: group, Actor: owner}, func(*domain.Conversation, int64) ([]domain.Event, error) {
			return members, nil
		})
		require.NoError(t, err)
		require.Greater(t, n.StateBytes(), small+1000*32)
	})

	t.Run("a state that exceeds it is decided on and makes no room", func(t *testing.T) {
		n := open(t, pool, broker.ClientURL(), eventlog.Config{StateCache: 32 << 10, Lanes: 1})
		owner, small, large := eventlog.NewID(), eventlog.NewID(), eventlog.NewID()
		n.createGroup(t, small, owner)
		kept := n.StateBytes()
		members := n.createLargeGroup(t, large, owner, 1000)
		for _, member := range members[:5] {
			n.mustSend(t, large, member, "loaded each time")
			_, err := n.send(t.Context(), large, eventlog.NewID(), uuid.NewString(), "let me in")
			require.ErrorIs(t, err, domain.ErrConversationNotFound)
		}
		read := n.StateEvents()
		require.Greater(t, read, 5*1000)
		n.mustSend(t, small, owner, "still known")
		require.Equal(t, read, n.StateEvents())
		require.Equal(t, kept, n.StateBytes())
		require.Zero(t, n.StatesEvicted())
	})
}

// openWithCaches starts three nodes on one log: one keeps all states, one a
// few, one none.
func openWithCaches(t *testing.T) ([]*node, *pgxpool.Pool) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	var nodes []*node
	for _, bytes := range []int{0, 2000, 1} {
		nodes = append(nodes, open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1, StateCache: bytes}))
	}
	return nodes, pool
}

// TestAnyCommands runs commands of anybody on any of the nodes, one after
// another. What is answered is what one who has seen all before would decide.
func TestAnyCommands(t *testing.T) {
	nodes, pool := openWithCaches(t)
	everyone := []domain.ID{eventlog.NewID(), eventlog.NewID(), eventlog.NewID(), eventlog.NewID()}
	rapid.Check(t, func(rt *rapid.T) {
		groups := []domain.ID{eventlog.NewID(), eventlog.NewID()}
		models := map[domain.ID]*domain.Conversation{}
		for _, group := range groups {
			models[group] = domain.NewConversation()
			for _, e := range nodes[0].createGroup(t, group, everyone[0]).Events {
				decoded, err := domain.DecodeEvent(e.Type, e.Schema, e.Payload)
				require.NoError(rt, err)
				models[group].Evolve(decoded)
			}
		}
		for range rapid.IntRange(1, 20).Draw(rt, "commands") {
			n := nodes[rapid.IntRange(0, len(nodes)-1).Draw(rt, "node")]
			group := rapid.SampledFrom(groups).Draw(rt, "group")
			decide := drawDecision(rt, everyone)
			want, wantErr := decide(models[group], 0)
			got, err := n.do(context.Background(), eventlog.Command{Stream: group, Actor: everyone[0]}, decide)
			require.Equal(rt, wantErr, err)
			require.Len(rt, got.Events, len(want))
			for i, e := range want {
				require.Equal(rt, e.Type(), got.Events[i].Type)
				models[group].Evolve(e)
			}
		}
	})
	require.Zero(t, nodes[2].StateBytes())
	require.Positive(t, nodes[1].StatesEvicted())
	requireSoundLog(t, pool)
}

func drawDecision(t *rapid.T, everyone []domain.ID) func(*domain.Conversation, int64) ([]domain.Event, error) {
	actor := rapid.SampledFrom(everyone).Draw(t, "actor")
	user := rapid.SampledFrom(everyone).Draw(t, "user")
	switch rapid.SampledFrom([]string{"add", "remove", "send"}).Draw(t, "command") {
	case "add":
		role := rapid.SampledFrom([]domain.Role{domain.RoleReader, domain.RoleAdmin, domain.RoleOwner}).Draw(t, "role")
		return func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
			return c.AddMember(domain.AddMember{Actor: actor, UserID: user, Role: role})
		}
	case "remove":
		return func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
			return c.RemoveMember(domain.RemoveMember{Actor: actor, UserID: user})
		}
	}
	message := eventlog.NewID()
	return func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.SendMessage(domain.SendMessage{Actor: actor, MessageID: message, Body: "hello"})
	}
}

// history is a state that is nothing but its decisive events, in their order.
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
SELECT version, (payload->>'user_id')::uuid FROM log.events WHERE stream = $1 AND decisive ORDER BY version`, [16]byte(stream))
	require.NoError(t, err)
	var version int64
	var user domain.ID
	_, err = pgx.ForEachRow(rows, []any{&version, (*[16]byte)(&user)}, func() error {
		versions, users = append(versions, version), append(users, user)
		return nil
	})
	require.NoError(t, err)
	return versions, users
}

// TestStatesAreExact lets workers on all nodes change the same streams at once.
// Whatever was refused, repeated, evicted or read again: a decision that counts
// saw the decisive events before it, each once.
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
				cmd = last // it happened before
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
			require.GreaterOrEqual(t, len(d.seen), d.known, "nothing that was answered before is unknown")
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
	// Two kinds of state stand for one stream, and both add to it in one batch.
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
		_, err := eventlog.Execute(t.Context(), n.Log, agg, eventlog.Command{Stream: stream, Actor: owner, Key: fmt.Sprint("look ", i)},
			func(h *history, _ int64) ([]domain.Event, error) {
				seen = slices.Clone(h.users)
				return nil, nil
			})
		require.NoError(t, err)
		require.Equal(t, users, seen)
	}
}
