package eventlog_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

func TestStateBound(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)

	t.Run("holds with many streams", func(t *testing.T) {
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
		require.Greater(t, n.StateBytes(), bound/2, "the cache uses its room")
		for _, group := range all {
			n.mustSend(t, group, members[9], "from everywhere")
			require.LessOrEqual(t, n.StateBytes(), bound)
		}
		require.Greater(t, n.StatesEvicted(), groups)
	})

	t.Run("a state is measured again when it grows", func(t *testing.T) {
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

	t.Run("a state that exceeds it is decided on and evicts nothing", func(t *testing.T) {
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
		n.mustSend(t, small, owner, "still cached")
		require.Equal(t, read, n.StateEvents())
		require.Equal(t, kept, n.StateBytes())
		require.Zero(t, n.StatesEvicted())
	})
}

// openWithCaches starts three nodes on one log: one caches all states, one a few,
// one none.
func openWithCaches(t *testing.T) ([]*node, *pgxpool.Pool) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	var nodes []*node
	for _, bytes := range []int{0, 2000, 1} {
		nodes = append(nodes, open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1, StateCache: bytes}))
	}
	return nodes, pool
}

// TestAnyCommands runs commands of any user on any node, one after another. Each
// answer is what a decision on all earlier events gives.
func TestAnyCommands(t *testing.T) {
	nodes, pool := openWithCaches(t)
	everyone := []domain.ID{eventlog.NewID(), eventlog.NewID(), eventlog.NewID(), eventlog.NewID()}
	rapid.Check(t, func(rt *rapid.T) {
		groups := []domain.ID{eventlog.NewID(), eventlog.NewID()}
		models := map[domain.ID]*domain.Conversation{}
		for _, group := range groups {
			models[group] = domain.NewConversation()
			for _, e := range nodes[0].createGroup(t, group, everyone[0]).Events {
				decoded, err := e.Decode()
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
