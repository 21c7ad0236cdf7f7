package eventlog_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

// role reads a member's role by Inspect.
func (n *node) role(ctx context.Context, group, user domain.ID) (domain.Role, eventlog.At, error) {
	return eventlog.Inspect(ctx, n.Log, eventlog.Conversations, group,
		func(c *domain.Conversation) domain.Role { return c.Members[user].Role })
}

func TestInspect(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	a, b := open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL())
	owner, member, group := eventlog.NewID(), eventlog.NewID(), eventlog.NewID()
	created := a.createGroup(t, group, owner, member)

	t.Run("reads the state and its position", func(t *testing.T) {
		role, at, err := a.role(t.Context(), group, owner)
		require.NoError(t, err)
		require.Equal(t, domain.RoleOwner, role)
		require.Equal(t, created.At, at)
	})
	t.Run("an empty stream has position 0", func(t *testing.T) {
		stream := eventlog.NewID()
		role, at, err := a.role(t.Context(), stream, owner)
		require.NoError(t, err)
		require.Equal(t, domain.NoRole, role)
		require.Equal(t, eventlog.At{Partition: a.PartitionOf(stream)}, at)
	})
	t.Run("covers events that do not decide", func(t *testing.T) {
		sent := b.mustSend(t, group, member, "hello")
		_, at, err := a.role(t.Context(), group, owner)
		require.NoError(t, err)
		require.Equal(t, eventlog.At{Partition: sent.Partition, Position: sent.Position}, at)
	})
	t.Run("sees what another node committed, although the state is cached", func(t *testing.T) {
		b.mustSend(t, group, member, "b caches the state with the member")
		a.removeMember(t, group, owner, member)
		role, _, err := b.role(t.Context(), group, member)
		require.NoError(t, err)
		require.Equal(t, domain.NoRole, role)
		_, err = a.addMember(t.Context(), group, owner, member, "")
		require.NoError(t, err)
		role, _, err = b.role(t.Context(), group, member)
		require.NoError(t, err)
		require.Equal(t, domain.RoleMember, role)
	})
	t.Run("appends nothing and leaves no receipt", func(t *testing.T) {
		appends := a.Appends() + b.Appends()
		var before, after int
		const rows = `SELECT (SELECT count(*) FROM log.events) + (SELECT count(*) FROM log.receipts)`
		require.NoError(t, pool.QueryRow(t.Context(), rows).Scan(&before))
		_, _, err := a.role(t.Context(), group, owner)
		require.NoError(t, err)
		require.NoError(t, pool.QueryRow(t.Context(), rows).Scan(&after))
		require.Equal(t, before, after)
		require.Equal(t, appends, a.Appends()+b.Appends())
	})
	t.Run("costs no reading of a large group that is cached", func(t *testing.T) {
		large := eventlog.NewID()
		b.createLargeGroup(t, large, owner, 1_500)
		read := b.StateEvents()
		for range 10 {
			_, _, err := b.role(t.Context(), large, owner)
			require.NoError(t, err)
		}
		require.Equal(t, read, b.StateEvents())
	})
	t.Run("sees no event of an append that has not committed", func(t *testing.T) {
		blocker, err := pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = blocker.Exec(t.Context(), `UPDATE log.heads SET position = position WHERE partition = $1`, a.PartitionOf(group))
		require.NoError(t, err)
		var wait sync.WaitGroup
		wait.Go(func() { a.removeMember(t, group, owner, member) })
		waitForBlocked(t, pool, 1)
		role, _, err := b.role(t.Context(), group, member)
		require.NoError(t, err)
		require.Equal(t, domain.RoleMember, role)
		require.NoError(t, blocker.Rollback(t.Context()))
		wait.Wait()
		role, _, err = b.role(t.Context(), group, member)
		require.NoError(t, err)
		require.Equal(t, domain.NoRole, role)
	})
	t.Run("ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := a.role(ctx, group, owner)
		if err != nil { // the lane may have answered already
			require.ErrorIs(t, err, context.Canceled)
		}
	})
	t.Run("is correct among commands of the same batches", func(t *testing.T) {
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				user := eventlog.NewID()
				for range 5 {
					if _, err := a.addMember(t.Context(), group, owner, user, uuid.NewString()); err != nil {
						t.Error(err)
					}
					if role, _, err := a.role(t.Context(), group, user); err != nil || role != domain.RoleMember {
						t.Error("added, but role is", role, err)
					}
					a.removeMember(t, group, owner, user)
					if role, _, err := a.role(t.Context(), group, user); err != nil || role != domain.NoRole {
						t.Error("removed, but role is", role, err)
					}
				}
			})
		}
		wait.Wait()
		requireSoundLog(t, pool)
	})
	t.Run("is refused once the log has stopped", func(t *testing.T) {
		require.NoError(t, b.stop())
		_, _, err := b.role(t.Context(), group, owner)
		require.ErrorIs(t, err, eventlog.ErrClosed)
	})
}

func TestDecode(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	cfg := eventlog.Config{Partitions: 1, MaxMemoryAge: 100 * time.Millisecond}
	a, b := open(t, pool, broker.ClientURL(), cfg), open(t, pool, broker.ClientURL(), cfg)
	group, owner, member := eventlog.NewID(), eventlog.NewID(), eventlog.NewID()
	a.createGroup(t, group, owner, member)
	sent := a.mustSend(t, group, member, marker)
	want := domain.MessageSent{MessageID: sent.ID, Body: marker}

	t.Run("is the same on the node that decided, on another node and from Postgres", func(t *testing.T) {
		require.Eventually(t, func() bool { return b.Tips()[0] >= sent.Position }, 10*time.Second, time.Millisecond)
		received, ok := b.Recent(0, sent.Position-1, sent.Position)
		require.True(t, ok)
		stored, err := a.EventByID(t.Context(), sent.ID)
		require.NoError(t, err)
		for _, e := range []*eventlog.Event{sent, received[0], stored} {
			decoded, err := e.Decode()
			require.NoError(t, err)
			require.Equal(t, want, decoded)
		}
	})
	t.Run("may be called by many readers at once", func(t *testing.T) {
		stored, err := a.EventByID(t.Context(), sent.ID)
		require.NoError(t, err)
		var wait sync.WaitGroup
		for range 16 {
			wait.Go(func() {
				if decoded, err := stored.Decode(); err != nil || decoded.(domain.MessageSent).Body != marker {
					t.Error(decoded, err)
				}
			})
		}
		wait.Wait()
	})
	t.Run("an event of a newer version is unknown", func(t *testing.T) {
		_, err := (&eventlog.Event{Type: "message.sung", Schema: domain.Schema, Payload: []byte(`{}`)}).Decode()
		require.ErrorIs(t, err, domain.ErrUnknownEvent)
	})
	t.Run("an erased text is in no decoded event afterwards", func(t *testing.T) {
		a.redact(t, group, member)
		for _, n := range []*node{a, b} {
			require.Eventually(t, func() bool {
				tail := n.Tail(0, sent.Position-1)
				defer tail.Close()
				events, err := tail.Next(t.Context())
				require.NoError(t, err)
				decoded, err := events[0].Decode()
				require.NoError(t, err)
				return decoded.(domain.MessageSent).Erased && decoded.(domain.MessageSent).Body == ""
			}, 10*time.Second, 5*time.Millisecond)
		}
	})
}
