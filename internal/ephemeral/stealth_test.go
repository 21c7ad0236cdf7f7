package ephemeral

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/testkit"
)

func newID() domain.ID { return domain.ID(uuid.Must(uuid.NewV7())) }

// testStore is a store for a test, and everything that it publishes.
type testStore struct {
	*Store
	t        *testing.T
	rdb      *redis.Client
	received chan Message
}

func newTestStore(t *testing.T) *testStore {
	t.Helper()
	l := &testStore{t: t, rdb: testkit.Redis(t), received: make(chan Message, 4*MaxAlive)}
	l.Store = New(l.rdb, strings.Repeat("s", 32), testkit.Logger(t))
	l.listen(l.Store, l.received)
	return l
}

// listen receives from all shards until the test ends, and returns once it is subscribed.
func (l *testStore) listen(s *Store, received chan Message) {
	ctx, cancel := context.WithCancel(context.Background())
	began, ended := make(chan struct{}, Shards), make(chan struct{})
	go func() {
		defer close(ended)
		s.Listen(ctx, func(m Message) { received <- m }, func() { began <- struct{}{} })
	}()
	l.t.Cleanup(func() {
		cancel()
		<-ended
	})
	for range Shards {
		<-began
	}
}

// next returns the next message of a conversation or a user, and skips those of
// other tests.
func (l *testStore) next(of domain.ID) (m Message, frame map[string]any) {
	l.t.Helper()
	for {
		select {
		case m = <-l.received:
		case <-time.After(20 * time.Second):
			l.t.Fatal("nothing arrived")
		}
		if m.From == of || len(m.Conversations) > 0 && m.Conversations[0] == of {
			require.NoError(l.t, json.Unmarshal(m.Frame, &frame))
			return m, frame
		}
	}
}

func stealth(conversation, author domain.ID, body string, ttl time.Duration) Stealth {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return Stealth{ID: newID(), ConversationID: conversation, AuthorID: author, Body: body, SentAt: now, ExpiresAt: now.Add(ttl)}
}

func (l *testStore) post(m Stealth, key string) (Stealth, bool) {
	l.t.Helper()
	posted, replayed, err := l.Post(l.t.Context(), m, 0, key, [][]byte{[]byte(m.Body)})
	require.NoError(l.t, err)
	return posted, replayed
}

func (l *testStore) alive(conversation domain.ID) []Stealth {
	l.t.Helper()
	alive, err := l.Alive(l.t.Context(), conversation, domain.ID{}, 200)
	require.NoError(l.t, err)
	return alive
}

func TestStealth(t *testing.T) {
	l := newTestStore(t)
	author := newID()

	t.Run("is published and listed, the newest first", func(t *testing.T) {
		conversation := newID()
		first, second := stealth(conversation, author, "first", time.Minute), stealth(conversation, author, "second", time.Hour)
		l.post(first, "")
		l.post(second, "")
		m, frame := l.next(conversation)
		require.Equal(t, KindStealth, m.Kind)
		require.Equal(t, "stealth", frame["type"])
		require.Equal(t, "first", frame["body"])
		require.Equal(t, []Stealth{second, first}, l.alive(conversation))
		older, err := l.Alive(t.Context(), conversation, second.ID, 1)
		require.NoError(t, err)
		require.Equal(t, []Stealth{first}, older)
	})
	t.Run("with a known key has the first answer and is stored once", func(t *testing.T) {
		conversation := newID()
		first := stealth(conversation, author, "once", time.Minute)
		l.post(first, "k")
		again := stealth(conversation, author, "once", time.Minute)
		posted, replayed := l.post(again, "k")
		require.True(t, replayed)
		require.Equal(t, first, posted)
		require.Len(t, l.alive(conversation), 1)

		other := stealth(conversation, author, "other", time.Minute)
		_, _, err := l.Post(t.Context(), other, 0, "k", [][]byte{[]byte("other")})
		require.ErrorIs(t, err, ErrKeyReused)
		someone := stealth(conversation, newID(), "once", time.Minute)
		_, replayed = l.post(someone, "k")
		require.False(t, replayed, "a key is its author's")
	})
	t.Run("is removed when its author withdraws it", func(t *testing.T) {
		conversation := newID()
		m := stealth(conversation, author, "regretted", time.Minute)
		l.post(m, "")
		l.next(conversation)
		require.ErrorIs(t, l.Withdraw(t.Context(), conversation, m.ID, newID()), domain.ErrForbidden)
		require.Len(t, l.alive(conversation), 1)
		require.NoError(t, l.Withdraw(t.Context(), conversation, m.ID, author))
		_, frame := l.next(conversation)
		require.Equal(t, map[string]any{"type": "stealth_gone", "conversation_id": conversation.String(), "id": m.ID.String(), "reason": "withdrawn"}, frame)
		require.Empty(t, l.alive(conversation))
		require.NoError(t, l.Withdraw(t.Context(), conversation, m.ID, newID()), "it is gone already")
		require.Empty(t, l.keys(conversation.String()), "nothing is left")
	})
	t.Run("is removed with all others of its author only", func(t *testing.T) {
		conversation, other := newID(), stealth(newID(), newID(), "stays", time.Minute)
		other.ConversationID = conversation
		l.post(other, "")
		for range 3 {
			l.post(stealth(conversation, author, "goes", time.Minute), "")
		}
		require.NoError(t, l.WithdrawAll(t.Context(), conversation, author))
		require.Equal(t, []Stealth{other}, l.alive(conversation))
	})
	t.Run("expires, and is published once by all nodes", func(t *testing.T) {
		conversation := newID()
		m := stealth(conversation, author, "soon gone", 50*time.Millisecond)
		l.post(m, "")
		l.next(conversation)
		require.Eventually(t, func() bool { return len(l.alive(conversation)) == 0 }, 10*time.Second, 5*time.Millisecond)
		for range 3 {
			_, _, err := l.Expire(t.Context(), ShardOf(conversation))
			require.NoError(t, err)
		}
		_, frame := l.next(conversation)
		require.Equal(t, map[string]any{"type": "stealth_gone", "conversation_id": conversation.String(), "id": m.ID.String(), "reason": "expired"}, frame)
		last := stealth(conversation, author, "last", time.Minute)
		l.post(last, "")
		_, frame = l.next(conversation)
		require.Equal(t, "stealth", frame["type"], "nothing was told twice")
	})
	t.Run("returns when the next one expires", func(t *testing.T) {
		conversation := newID()
		l.post(stealth(conversation, author, "later", time.Hour), "")
		next, some, err := l.Expire(t.Context(), ShardOf(conversation))
		require.NoError(t, err)
		require.True(t, some)
		require.LessOrEqual(t, next, time.Hour)
	})
	t.Run("is refused beyond the maximum", func(t *testing.T) {
		conversation := newID()
		for range MaxAlive {
			l.post(stealth(conversation, author, "x", time.Minute), "")
		}
		m := stealth(conversation, author, "too much", time.Minute)
		_, _, err := l.Post(t.Context(), m, 0, "", nil)
		require.ErrorIs(t, err, ErrTooManyStealth)
		require.Len(t, l.alive(conversation), 200, "a page")
	})
	t.Run("leaves no text behind, only a hash of it", func(t *testing.T) {
		conversation := newID()
		m := stealth(conversation, author, "the marked text", time.Minute)
		l.post(m, "k")
		require.NoError(t, l.Withdraw(t.Context(), conversation, m.ID, author))
		for _, key := range l.keys("") {
			value, _ := l.rdb.Get(t.Context(), key).Result() // not all are strings
			require.NotContains(t, value, "marked")
		}
	})
}

// keys returns the keys of the store that contain a text.
func (l *testStore) keys(with string) (found []string) {
	l.t.Helper()
	all, err := l.rdb.Keys(l.t.Context(), "ping:{e*"+with+"*").Result()
	require.NoError(l.t, err)
	return all
}
