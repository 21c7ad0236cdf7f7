package auth_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/identity"
	"ping/internal/testkit"
)

// ender is a node, as far as it knows what has ended.
type ender struct {
	*auth.Revocations
	t                         *testing.T
	tokens                    *auth.Tokens
	clock                     *clock
	closedSession, closedUser chan domain.ID
}

func newEnder(t *testing.T, rdb *redis.Client, pool *pgxpool.Pool, readEvery time.Duration) *ender {
	n := &ender{t: t, closedSession: make(chan domain.ID, 64), closedUser: make(chan domain.ID, 64)}
	n.tokens, n.clock = newTokens(t, secret)
	n.Revocations = auth.NewRevocations(rdb, identity.NewStore(pool).Revoked, n.tokens, func(id domain.ID) { n.closedSession <- id }, func(id domain.ID) { n.closedUser <- id },
		auth.Config{ReadEvery: readEvery}, testkit.Logger(t))
	return n
}

// start runs the node until the test ends.
func (n *ender) start() *ender {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := n.Run(ctx); err != nil {
			n.t.Errorf("endings: %v", err)
		}
	})
	n.t.Cleanup(func() { cancel(); running.Wait() })
	return n
}

func (n *ender) refuses(token string) bool {
	_, err := n.tokens.Verify(token)
	if err != nil && !errors.Is(err, auth.ErrTokenInvalid) {
		n.t.Errorf("verify: %v", err)
	}
	return err != nil
}

func (n *ender) comesToRefuse(token string) {
	n.t.Helper()
	require.Eventually(n.t, func() bool { return n.refuses(token) }, 10*time.Second, time.Millisecond)
}

// execute changes what Postgres knows.
func execute(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	_, err := pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// openSession makes a user with a session.
func openSession(t *testing.T, pool *pgxpool.Pool) (user, session domain.ID) {
	t.Helper()
	user, session = newID(), newID()
	execute(t, pool, `INSERT INTO identity.credentials (user_id, email, password_hash, display_name) VALUES ($1, $2, 'x', 'x')`, [16]byte(user), user.String())
	execute(t, pool, `INSERT INTO identity.sessions (id, user_id, expires_at) VALUES ($1, $2, now() + interval '1 day')`, [16]byte(session), [16]byte(user))
	return user, session
}

const revokeSQL = `UPDATE identity.sessions SET revoked_at = now() WHERE id = $1`

// TestEndingsTell: the other nodes receive a node's revocations over Redis. Postgres
// has none in this test.
func TestEndingsTell(t *testing.T) {
	rdb, pool := testkit.Redis(t), testkit.Pool(t)
	one, other := newEnder(t, rdb, pool, time.Hour).start(), newEnder(t, rdb, pool, time.Hour).start()
	require.Eventually(t, func() bool {
		heard, err := rdb.PubSubNumSub(t.Context(), "ping:session-ended").Result()
		return err == nil && heard["ping:session-ended"] == 2
	}, 10*time.Second, time.Millisecond)
	issue := func(user, session domain.ID) string {
		token, _ := one.tokens.Issue(user, session)
		for _, node := range []*ender{one, other} {
			require.False(t, node.refuses(token), "good, and in the cache from now on")
		}
		return token
	}

	t.Run("a session", func(t *testing.T) {
		user, session := newID(), newID()
		token, later := issue(user, session), issue(user, newID())
		require.NoError(t, one.RevokeSession(t.Context(), session))
		require.True(t, one.refuses(token), "at once")
		other.comesToRefuse(token)
		claims := auth.Claims{UserID: user, SessionID: session}
		require.Equal(t, auth.SessionEnded, other.tokens.Ended(claims))
		for _, node := range []*ender{one, other} {
			require.Equal(t, session, <-node.closedSession)
			require.False(t, node.refuses(later), "another session of the same user goes on")
		}
	})
	t.Run("a user with all sessions", func(t *testing.T) {
		user := newID()
		tokens := []string{issue(user, newID()), issue(user, newID())}
		spared := issue(newID(), newID())
		require.NoError(t, one.RevokeUser(t.Context(), user))
		for _, token := range tokens {
			require.True(t, one.refuses(token), "at once")
			other.comesToRefuse(token)
		}
		require.Equal(t, auth.UserErased, other.tokens.Ended(auth.Claims{UserID: user}))
		for _, node := range []*ender{one, other} {
			require.Equal(t, user, <-node.closedUser)
			require.False(t, node.refuses(spared))
		}
	})
	t.Run("once, whatever else is said", func(t *testing.T) {
		session, last := newID(), newID()
		for _, message := range []string{"no id", "user:no id", "", "room:" + newID().String(), session.String(), session.String(), last.String()} {
			require.NoError(t, rdb.Publish(t.Context(), "ping:session-ended", message).Err())
		}
		require.Equal(t, session, <-other.closedSession)
		require.Equal(t, last, <-other.closedSession)
	})
	for _, node := range []*ender{one, other} {
		require.Empty(t, node.closedUser)
	}
}

func TestEndingsWithoutRedis(t *testing.T) {
	pool := testkit.Pool(t)
	away := testkit.Redis(t)
	require.NoError(t, away.Close())
	one, other := newEnder(t, away, pool, time.Hour), newEnder(t, away, pool, 5*time.Millisecond).start()
	user, session := openSession(t, pool)
	token, _ := one.tokens.Issue(user, session)
	require.False(t, other.refuses(token))

	execute(t, pool, revokeSQL, [16]byte(session))
	require.Error(t, one.RevokeSession(t.Context(), session))
	require.True(t, one.refuses(token), "here it is known all the same")
	other.comesToRefuse(token)
	require.Equal(t, session, <-other.closedSession)

	erased, itsSession := openSession(t, pool)
	token, _ = one.tokens.Issue(erased, itsSession)
	require.False(t, other.refuses(token))
	execute(t, pool, `INSERT INTO identity.erasures (user_id) VALUES ($1)`, [16]byte(erased))
	execute(t, pool, `DELETE FROM identity.credentials WHERE user_id = $1`, [16]byte(erased))
	other.comesToRefuse(token)
	require.Equal(t, erased, <-other.closedUser)
	require.Empty(t, other.closedSession, "each is closed once, however often it is read")
}

func TestEndingsLoad(t *testing.T) {
	rdb, pool := testkit.Redis(t), testkit.Pool(t)
	refuses := func(n *ender, user, session domain.ID) bool {
		token, _ := n.tokens.Issue(user, session)
		return n.refuses(token)
	}

	t.Run("tells a node that starts", func(t *testing.T) {
		user, session := openSession(t, pool)
		execute(t, pool, revokeSQL, [16]byte(session))
		going, itsSession := openSession(t, pool)
		node := newEnder(t, rdb, pool, time.Hour)
		require.False(t, refuses(node, user, session))
		require.NoError(t, node.Load(t.Context()))
		require.True(t, refuses(node, user, session))
		require.False(t, refuses(node, going, itsSession))
	})
	t.Run("tells what came since, and what was committed late", func(t *testing.T) {
		node := newEnder(t, rdb, pool, time.Hour)
		require.NoError(t, node.Load(t.Context()))
		user, late := openSession(t, pool)
		_, since := openSession(t, pool)
		execute(t, pool, `UPDATE identity.sessions SET revoked_at = now() - interval '30 seconds' WHERE id = $1`, [16]byte(late))
		execute(t, pool, revokeSQL, [16]byte(since))
		require.NoError(t, node.Load(t.Context()))
		require.True(t, refuses(node, user, late))
		require.True(t, refuses(node, user, since))
	})
	t.Run("leaves out what no token is left of", func(t *testing.T) {
		user, session := openSession(t, pool)
		execute(t, pool, `UPDATE identity.sessions SET revoked_at = now() - interval '21 minutes' WHERE id = $1`, [16]byte(session))
		node := newEnder(t, rdb, pool, time.Hour)
		require.NoError(t, node.Load(t.Context()))
		require.False(t, refuses(node, user, session))
	})
	t.Run("tells of an erasure until a token's life after its end", func(t *testing.T) {
		for age, refused := range map[string]bool{"NULL": true, "now()": true, "now() - interval '14 minutes'": true, "now() - interval '21 minutes'": false} {
			user := newID()
			execute(t, pool, `INSERT INTO identity.erasures VALUES ($1, now() - interval '1 day', `+age+`)`, [16]byte(user))
			node := newEnder(t, rdb, pool, time.Hour)
			require.NoError(t, node.Load(t.Context()))
			require.Equal(t, refused, refuses(node, user, newID()), age)
		}
	})
	t.Run("forgets what no token is left of", func(t *testing.T) {
		node := newEnder(t, rdb, pool, time.Hour)
		session, user := newID(), newID()
		require.NoError(t, node.RevokeSession(t.Context(), session))
		require.NoError(t, node.RevokeUser(t.Context(), user))
		known := func() [2]auth.Ending {
			require.NoError(t, node.Load(t.Context()))
			return [2]auth.Ending{node.tokens.Ended(auth.Claims{SessionID: session}), node.tokens.Ended(auth.Claims{UserID: user})}
		}
		node.clock.now = node.clock.now.Add(15*time.Minute + 5*time.Second)
		require.Equal(t, [2]auth.Ending{auth.SessionEnded, auth.UserErased}, known())
		node.clock.now = node.clock.now.Add(6 * time.Minute)
		require.Equal(t, [2]auth.Ending{}, known())
	})
	t.Run("reads no table from end to end", func(t *testing.T) {
		tx, err := pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(t.Context())
		_, err = tx.Exec(t.Context(), `SET LOCAL enable_seqscan = off`)
		require.NoError(t, err)
		rows, err := tx.Query(t.Context(), `EXPLAIN `+identity.RevokedSQL, time.Now(), 20*time.Minute)
		require.NoError(t, err)
		defer rows.Close()
		var plan string
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			plan += line + "\n"
		}
		require.NoError(t, rows.Err())
		require.Contains(t, plan, "sessions_revoked_at")
		require.Contains(t, plan, "erasures_finished_at")
		require.NotContains(t, plan, "Seq Scan")
	})
}
