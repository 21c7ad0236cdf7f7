package eventlog_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

func TestExactlyOnce(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	a, b := open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL())
	owner, group := eventlog.NewID(), eventlog.NewID()
	a.createGroup(t, group, owner)

	t.Run("a retry returns the first result, on every node and after a restart", func(t *testing.T) {
		first, err := a.send(t.Context(), group, owner, "key-1", "once")
		require.NoError(t, err)
		require.False(t, first.Replayed)
		restarted := open(t, pool, broker.ClientURL())
		for _, n := range []*node{a, b, restarted} {
			retried, err := n.send(t.Context(), group, owner, "key-1", "once")
			require.NoError(t, err)
			require.True(t, retried.Replayed)
			require.Equal(t, first.At, retried.At)
			require.Equal(t, string(first.Events[0].Frame), string(retried.Events[0].Frame))
		}
	})

	t.Run("the same key with another request is refused", func(t *testing.T) {
		_, err := a.send(t.Context(), group, owner, "key-2", "this")
		require.NoError(t, err)
		_, err = b.send(t.Context(), group, owner, "key-2", "that")
		require.ErrorIs(t, err, eventlog.ErrKeyReused)
	})

	t.Run("keys of different users do not collide", func(t *testing.T) {
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

	t.Run("a retry of a command with many events returns all of them", func(t *testing.T) {
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
		retried := create(b)
		require.True(t, retried.Replayed)
		require.Len(t, retried.Events, 5)
		require.Equal(t, first.At, retried.At)
		require.Equal(t, first.Version, retried.Version)
	})

	t.Run("a success without an event stays one when the state has changed", func(t *testing.T) {
		member := eventlog.NewID()
		_, err := a.addMember(t.Context(), group, owner, member, "add-1")
		require.NoError(t, err)
		noop, err := a.addMember(t.Context(), group, owner, member, "add-2")
		require.NoError(t, err)
		require.Empty(t, noop.Events)
		a.removeMember(t, group, owner, member)
		retried, err := b.addMember(t.Context(), group, owner, member, "add-2")
		require.NoError(t, err)
		require.True(t, retried.Replayed)
		require.Empty(t, retried.Events)
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
		retried, err := a.send(t.Context(), group, member, "key-4", "I was here")
		require.NoError(t, err)
		require.True(t, retried.Replayed)
	})
	requireSoundLog(t, pool)
}
