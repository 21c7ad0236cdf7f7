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

func TestLargeGroup(t *testing.T) {
	const size = 10_000
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	a, b := open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL())
	owner, group := eventlog.NewID(), eventlog.NewID()
	members := a.createLargeGroup(t, group, owner, size)

	// reads returns how many events a node reads for states while it works.
	reads := func(n *node, work func()) int {
		before := n.StateEvents()
		work()
		return n.StateEvents() - before
	}
	refuse := func(t *testing.T, n *node, author domain.ID) {
		t.Helper()
		_, err := n.send(t.Context(), group, author, uuid.NewString(), "let me in")
		require.ErrorIs(t, err, domain.ErrConversationNotFound)
	}

	t.Run("members are added and send without reading the other members", func(t *testing.T) {
		require.Zero(t, reads(a, func() {
			for range 20 {
				late := eventlog.NewID()
				_, err := a.addMember(t.Context(), group, owner, late, "")
				require.NoError(t, err)
				a.mustSend(t, group, late, "I am in")
				a.mustSend(t, group, members[size/2], "so am I")
			}
		}))
	})

	t.Run("a state that is not cached is loaded whole, once", func(t *testing.T) {
		require.Equal(t, 1+size+20, reads(b, func() { refuse(t, b, eventlog.NewID()) }))
	})

	t.Run("outsiders and commands that change nothing read no members", func(t *testing.T) {
		for _, n := range []*node{a, b} {
			require.Zero(t, reads(n, func() {
				for range 20 {
					refuse(t, n, eventlog.NewID())
					res, err := n.addMember(t.Context(), group, owner, members[0], uuid.NewString())
					require.NoError(t, err)
					require.Empty(t, res.Events)
				}
			}))
		}
	})

	t.Run("a refusal reads what another node did, and nothing else", func(t *testing.T) {
		late := eventlog.NewID()
		_, err := a.addMember(t.Context(), group, owner, late, "")
		require.NoError(t, err)
		require.Equal(t, 1, reads(b, func() { b.mustSend(t, group, late, "I am in") }))
		a.removeMember(t, group, owner, members[1])
		a.removeMember(t, group, owner, members[2])
		require.Equal(t, 2, reads(b, func() { refuse(t, b, eventlog.NewID()) }))
		refused := b.Refused()
		refuse(t, b, members[1])
		require.Equal(t, refused, b.Refused(), "b's state had it already")
	})

	t.Run("a command that changes nothing returns the end of the stream", func(t *testing.T) {
		last := a.mustSend(t, group, owner, "the last so far")
		res, err := b.addMember(t.Context(), group, owner, members[0], "")
		require.NoError(t, err)
		require.Equal(t, eventlog.At{Partition: last.Partition, Position: last.Position}, res.At)
		require.Equal(t, last.Version, res.Version)
	})

	t.Run("a send that the log refuses reads why, and nothing else", func(t *testing.T) {
		a.removeMember(t, group, owner, members[3])
		require.Equal(t, 1, reads(b, func() { refuse(t, b, members[3]) }))
		_, err := b.send(t.Context(), group, members[4], "key-5", "twice")
		require.NoError(t, err)
		require.Zero(t, reads(b, func() {
			res, err := b.send(t.Context(), group, members[4], "key-5", "twice")
			require.NoError(t, err)
			require.True(t, res.Replayed)
			b.mustSend(t, group, members[4], "and on")
		}))
	})

	t.Run("two nodes add members at once", func(t *testing.T) {
		var wait sync.WaitGroup
		for worker := range 4 {
			wait.Go(func() {
				n, other := a, b
				if worker%2 == 0 {
					n, other = b, a
				}
				for range 5 {
					late := eventlog.NewID()
					if _, err := n.addMember(t.Context(), group, owner, late, ""); err != nil {
						t.Error(err)
					}
					if _, err := other.send(t.Context(), group, late, uuid.NewString(), "I am in"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
	})
	requireSoundLog(t, pool)
}
