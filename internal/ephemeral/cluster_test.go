package ephemeral

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/internal/testkit"
)

func storeInCluster(t *testing.T, url string) (*Store, *testkit.Log) {
	t.Helper()
	options, err := redis.ParseClusterURL(url)
	require.NoError(t, err)
	options.ContextTimeoutEnabled, options.DialerRetries = true, 1
	client := redis.NewClusterClient(options)
	t.Cleanup(func() { _ = client.Close() }) // nothing is lost with it
	logged := &testkit.Log{}
	return New(client, "secret", slog.New(slog.NewTextHandler(io.MultiWriter(logged, t.Output()), nil))), logged
}

// TestCluster uses every function of a store in every shard of a cluster, whose
// servers refuse commands for several slots or for slots of other servers.
func TestCluster(t *testing.T) {
	s, logged := storeInCluster(t, testkit.RedisClusterURL(t))
	l := &testStore{Store: s, t: t, received: make(chan Message, 100*Shards)}
	l.listen(s, l.received)
	author := newID()
	for shard := range Shards {
		conversation, user := newID(), newID()
		for _, id := range []*[16]byte{(*[16]byte)(&conversation), (*[16]byte)(&user)} {
			id[15] = byte(shard)
		}
		first, second := stealth(conversation, author, "first", time.Minute), stealth(conversation, author, "second", time.Minute)
		l.post(first, "k")
		_, replayed := l.post(first, "k")
		require.True(t, replayed)
		l.post(second, "")
		require.Equal(t, []Stealth{second, first}, l.alive(conversation))
		require.NoError(t, l.Withdraw(t.Context(), conversation, first.ID, author))
		require.NoError(t, l.WithdrawAll(t.Context(), conversation, author))
		require.Empty(t, l.alive(conversation))
		brief := stealth(conversation, author, "brief", time.Millisecond)
		l.post(brief, "")
		require.Eventually(t, func() bool {
			next, some, err := l.Expire(t.Context(), shard)
			return err == nil && !some && next < 0
		}, 10*time.Second, time.Millisecond)
		require.NoError(t, l.Store.Typing(t.Context(), conversation, user, true, nil))
		for _, want := range []string{"stealth", "stealth", "stealth_gone", "stealth_gone", "stealth", "stealth_gone", "typing"} {
			_, frame := l.next(conversation)
			require.Equal(t, want, frame["type"])
		}

		l.tell(l.says("a", user, Online, 50*time.Millisecond)[0])
		require.Equal(t, Online, l.look(user).State)
		l.next(user)
		require.Eventually(t, func() bool { return l.isDue(user) }, 10*time.Second, time.Millisecond)
		l.tell(l.look(user))
		_, frame := l.next(user)
		require.Equal(t, "offline", frame["state"])
		require.NoError(t, l.ForgetPresence(t.Context(), user))
		require.Nil(t, l.look(user).LastSeen)
	}
	require.Empty(t, logged.Since(0, "level=WARN"))
}
