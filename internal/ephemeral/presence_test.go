package ephemeral

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// says renews a node's lease for one user.
func (l *testStore) says(node string, user domain.ID, state State, life time.Duration) []Presence {
	l.t.Helper()
	changed, err := l.RenewLeases(l.t.Context(), ShardOf(user), node, []Lease{{User: user, State: state, Life: life}})
	require.NoError(l.t, err)
	return changed
}

func (l *testStore) look(user domain.ID) Presence {
	l.t.Helper()
	found, err := l.Presence(l.t.Context(), []domain.ID{user})
	require.NoError(l.t, err)
	return found[0]
}

func (l *testStore) tell(p Presence) {
	l.t.Helper()
	require.NoError(l.t, l.PublishPresence(l.t.Context(), ShardOf(p.UserID), []Transition{{Presence: p, Conversations: []domain.ID{newID()}}}))
}

func TestPresence(t *testing.T) {
	l := newTestStore(t)

	t.Run("is the highest of all nodes", func(t *testing.T) {
		user := newID()
		require.Equal(t, Presence{UserID: user, State: Offline}, l.look(user))
		l.says("a", user, Away, time.Minute)
		require.Equal(t, Away, l.look(user).State)
		l.says("b", user, Online, time.Minute)
		require.Equal(t, Online, l.look(user).State)
		l.says("b", user, Offline, time.Minute)
		require.Equal(t, Away, l.look(user).State)
	})
	t.Run("is published once, by any node", func(t *testing.T) {
		user := newID()
		changed := l.says("a", user, Online, time.Minute)
		require.Equal(t, []Presence{{UserID: user, State: Online}}, changed)
		require.Equal(t, changed, l.says("a", user, Online, time.Minute), "until it is told")
		l.tell(changed[0])
		l.tell(changed[0])
		require.Empty(t, l.says("a", user, Online, time.Minute))
		require.Equal(t, Away, l.says("a", user, Away, time.Minute)[0].State)
		l.tell(changed[0]) // outdated
		l.tell(l.look(user))
		_, frame := l.next(user)
		require.Equal(t, "online", frame["state"])
		_, frame = l.next(user)
		require.Equal(t, "away", frame["state"])
	})
	t.Run("ends with the lease, and then has the time when the user was last seen", func(t *testing.T) {
		user := newID()
		l.tell(l.says("dead", user, Online, 50*time.Millisecond)[0])
		l.next(user)
		require.Eventually(t, func() bool { return l.isDue(user) }, 10*time.Second, 5*time.Millisecond)
		p := l.look(user)
		require.Equal(t, Offline, p.State)
		require.WithinDuration(t, time.Now(), *p.LastSeen, 10*time.Second)
		l.tell(p)
		_, frame := l.next(user)
		require.Equal(t, "offline", frame["state"])
		require.NotNil(t, frame["last_seen"])
		require.False(t, l.isDue(user), "nothing is to come")
		require.Equal(t, p, l.look(user), "it is remembered")
	})
	t.Run("does not end if another node has the user", func(t *testing.T) {
		user := newID()
		l.tell(l.says("a", user, Online, time.Minute)[0])
		l.says("a", user, Online, 50*time.Millisecond) // the last socket has closed
		require.Empty(t, l.says("b", user, Online, time.Minute))
		require.Eventually(t, func() bool { return l.isDue(user) }, 10*time.Second, 5*time.Millisecond)
		l.tell(l.look(user))
		require.Equal(t, Online, l.look(user).State)
		require.False(t, l.isDue(user))
		l.tell(l.says("b", user, Away, time.Minute)[0])
		l.next(user)
		_, frame := l.next(user)
		require.Equal(t, "away", frame["state"], "nothing was told in between")
	})
	t.Run("that is not shown leaves no trace", func(t *testing.T) {
		user := newID()
		require.Empty(t, l.says("a", user, Offline, time.Minute))
		require.Nil(t, l.look(user).LastSeen)
	})
	t.Run("is deleted, and revoked where it was published", func(t *testing.T) {
		user, unseen := newID(), newID()
		l.tell(l.says("a", user, Online, time.Minute)[0])
		l.next(user)
		require.NoError(t, l.ForgetPresence(t.Context(), user))
		require.True(t, l.isDue(user))
		require.Equal(t, Presence{UserID: user, State: Offline}, l.look(user))
		require.LessOrEqual(t, l.rdb.PTTL(t.Context(), presenceKey(user)).Val(), time.Minute)
		l.tell(l.look(user))
		_, frame := l.next(user)
		require.Equal(t, "offline", frame["state"])
		require.Nil(t, frame["last_seen"])
		require.False(t, l.isDue(user))
		require.NoError(t, l.ForgetPresence(t.Context(), user))
		require.NoError(t, l.ForgetPresence(t.Context(), unseen))
		require.Empty(t, l.keys(":presence:"+user.String()))
	})
	t.Run("that was not published is due soon", func(t *testing.T) {
		user := newID()
		l.says("a", user, Online, time.Minute) // and then the node dies
		require.Eventually(t, func() bool { return l.isDue(user) }, 10*time.Second, 5*time.Millisecond)
	})
}

func (l *testStore) isDue(user domain.ID) bool {
	l.t.Helper()
	due, err := l.DueUsers(l.t.Context(), ShardOf(user))
	require.NoError(l.t, err)
	for _, id := range due {
		if id == user {
			return true
		}
	}
	return false
}
