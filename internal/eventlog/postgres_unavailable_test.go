package eventlog_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/internal/eventlog"
	"ping/internal/testkit"
)

func TestPostgresUnavailable(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	n := open(t, pool, broker.ClientURL(), eventlog.Config{AppendTimeout: 300 * time.Millisecond})
	owner, group := eventlog.NewID(), eventlog.NewID()
	n.createGroup(t, group, owner)

	t.Run("a connection that breaks during an append is retried without a second event", func(t *testing.T) {
		n := open(t, pool, broker.ClientURL())
		n.mustSend(t, group, owner, "warm")
		blocker, err := pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = blocker.Exec(t.Context(), `UPDATE log.heads SET position = position`)
		require.NoError(t, err)
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := n.send(t.Context(), group, owner, "cut", "cut"); err != nil {
				t.Error(err)
			}
		})
		waitForBlocked(t, pool, 1)
		_, err = pool.Exec(t.Context(), `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%log.append%'`)
		require.NoError(t, err)
		require.NoError(t, blocker.Rollback(t.Context()))
		wait.Wait()
		var stored int
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM log.events WHERE payload->>'body' = 'cut'`).Scan(&stored))
		require.Equal(t, 1, stored)
	})

	t.Run("a lost answer to a command without a key makes no second event", func(t *testing.T) {
		// The commit succeeds and its answer is lost: the proxy cuts the
		// connection when the answer comes back.
		proxied, lose := losingPool(t, pool)
		n := open(t, proxied, broker.ClientURL())
		n.mustSend(t, group, owner, "warm")
		lose()
		began := time.Now()
		res, err := n.send(t.Context(), group, owner, "", "answer lost")
		require.NoError(t, err)
		require.False(t, res.Replayed)
		require.Less(t, time.Since(began), 5*time.Second, "the lane did not retry until its timeout")
		var stored int
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM log.events WHERE payload->>'body' = 'answer lost'`).Scan(&stored))
		require.Equal(t, 1, stored)
	})

	t.Run("commands get an error after the timeout", func(t *testing.T) {
		blocker, err := pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = blocker.Exec(t.Context(), `UPDATE log.heads SET position = position`)
		require.NoError(t, err)
		_, err = n.send(t.Context(), group, owner, "late", "late")
		require.ErrorIs(t, err, eventlog.ErrUnavailable)
		require.NoError(t, blocker.Rollback(t.Context()))
		// The retry finds out whether it happened, and ensures that it happens once.
		_, err = n.send(t.Context(), group, owner, "late", "late")
		require.NoError(t, err)
	})

	t.Run("a stopped node returns that it is closed", func(t *testing.T) {
		require.NoError(t, n.stop())
		_, err := n.send(t.Context(), group, owner, "closed", "closed")
		require.ErrorIs(t, err, eventlog.ErrClosed)
	})
	requireSoundLog(t, pool)
}

// losingPool returns connections to the same database. After lose is called, the
// next connection that runs an append breaks once Postgres has answered it.
func losingPool(t *testing.T, pool *pgxpool.Pool) (proxied *pgxpool.Pool, lose func()) {
	t.Helper()
	cfg := pool.Config()
	dial := cfg.ConnConfig.DialFunc
	var armed atomic.Bool
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &losingConn{Conn: conn, armed: &armed}, err
	}
	proxied, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(proxied.Close)
	return proxied, func() { armed.Store(true) }
}

type losingConn struct {
	net.Conn
	armed  *atomic.Bool
	doomed atomic.Bool
}

func (c *losingConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("answer lost")) && c.armed.CompareAndSwap(true, false) {
		c.doomed.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *losingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.doomed.Load() && err == nil {
		_ = c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}
