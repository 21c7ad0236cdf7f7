package ephemeral

import (
	"context"
	"io"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/devservices"
	"ping/internal/testkit"
)

// private starts a Redis for the test alone.
func private(t *testing.T, dir string, lines ...string) *devservices.Redis {
	t.Helper()
	server, err := devservices.StartRedis(t.Context(), dir, lines...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() }) // the test may have ended it
	return server
}

// storeAt makes a store in the Redis at an address, as a node does.
func storeAt(t *testing.T, url string) (*Store, *testkit.Log) {
	t.Helper()
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	options.ContextTimeoutEnabled, options.DialerRetries = true, 1
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() }) // nothing is lost with it
	logged := &testkit.Log{}
	return New(client, "secret", slog.New(slog.NewTextHandler(io.MultiWriter(logged, t.Output()), nil))), logged
}

func TestOutage(t *testing.T) {
	dir := t.TempDir()
	server := private(t, dir)
	s, logged := storeAt(t, server.URL())
	l := &testStore{t: t, Store: s, received: make(chan Message, 100)}
	conversation, author := newID(), newID()
	fails := func(t *testing.T, within time.Duration) {
		t.Helper()
		began := time.Now()
		_, _, err := s.Post(t.Context(), stealth(conversation, author, "x", time.Minute), 0, "", nil)
		require.ErrorIs(t, err, ErrUnavailable)
		require.Less(t, time.Since(began), within)
	}
	succeeds := func() bool {
		_, _, err := s.Post(t.Context(), stealth(conversation, author, "x", time.Minute), 0, "", nil)
		return err == nil
	}
	shortenQuiet(t, 300*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	began, ended := make(chan struct{}, 100*Shards), make(chan struct{})
	go func() {
		defer close(ended)
		s.Listen(ctx, func(m Message) { l.received <- m }, func() { began <- struct{}{} })
	}()
	defer func() { cancel(); <-ended }()
	for range Shards {
		select {
		case <-began:
		case <-time.After(20 * time.Second):
			require.Fail(t, "not all shards are listened to")
		}
	}
	// allReceived waits until a message of each shard arrives. It posts until then,
	// since messages before the subscription are lost.
	allReceived := func(t *testing.T) {
		t.Helper()
		missing := map[domain.ID]bool{}
		for shards := map[int]bool{}; len(shards) < Shards; {
			if id := newID(); !shards[ShardOf(id)] {
				shards[ShardOf(id)], missing[id] = true, true
			}
		}
		require.Eventually(t, func() bool {
			for id := range missing {
				_, _, _ = s.Post(t.Context(), stealth(id, author, "x", time.Minute), 0, "", nil) // a failed one is not received
			}
			for {
				select {
				case m := <-l.received:
					delete(missing, m.Conversations[0])
				case <-time.After(50 * time.Millisecond):
					return len(missing) == 0
				}
			}
		}, 20*time.Second, time.Millisecond)
	}

	t.Run("of a Redis that hangs delays few calls, and none for more than patience", func(t *testing.T) {
		require.NoError(t, syscall.Kill(server.Pid(), syscall.SIGSTOP))
		fails(t, 2*patience)
		require.True(t, s.Away())
		fast := 0
		for range 100 {
			before := time.Now()
			fails(t, 2*patience)
			if time.Since(before) < patience/2 {
				fast++
			}
		}
		require.Greater(t, fast, 90)
		require.Eventually(t, func() bool { return len(logged.Since(0, "does not answer")) == 1 }, time.Second, time.Millisecond)
		// Long enough for all connections to be closed.
		select {
		case <-began:
			require.Fail(t, "a Redis that hangs was received")
		case <-time.After(3 * quiet):
		}
		require.NoError(t, syscall.Kill(server.Pid(), syscall.SIGCONT))
		require.Eventually(t, succeeds, 10*time.Second, 5*time.Millisecond)
		allReceived(t)
	})
	t.Run("of a stopped Redis fails at once and ends when it is started", func(t *testing.T) {
		require.NoError(t, server.Stop())
		for range 20 {
			fails(t, patience/2)
		}
		require.ErrorIs(t, s.Typing(t.Context(), conversation, author, true, nil), ErrUnavailable)
		_, err := s.Presence(t.Context(), []domain.ID{author})
		require.ErrorIs(t, err, ErrUnavailable)
		server = private(t, dir)
		require.Eventually(t, succeeds, 10*time.Second, 5*time.Millisecond)
		require.False(t, s.Away())
		allReceived(t)
	})
	require.Len(t, logged.Since(0, "does not answer"), 2, "once per outage")
	require.Len(t, logged.Since(0, "redis answers"), 2, "once per outage")
}

// shortenQuiet lets a test detect a Redis that hangs sooner.
func shortenQuiet(t *testing.T, to time.Duration) {
	was := quiet
	quiet = to
	t.Cleanup(func() { quiet = was })
}

func TestCheckServers(t *testing.T) {
	check := func(t *testing.T, url string) *testkit.Log {
		t.Helper()
		s, logged := storeAt(t, url)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.NoError(t, s.CheckServers(ctx))
		require.NoError(t, ctx.Err())
		return logged
	}
	const disk, silent = "writes to its disk, so", "does not report"
	t.Run("logs nothing for one without persistence", func(t *testing.T) {
		require.Empty(t, check(t, private(t, t.TempDir()).URL()).Since(0, ""))
	})
	t.Run("warns of snapshots", func(t *testing.T) {
		logged := check(t, private(t, t.TempDir(), "save 3600 1 300 100").URL())
		require.Len(t, logged.Since(0, `snapshots="3600 1 300 100" append_only_file=false`), 1)
		require.Len(t, logged.Since(0, disk), 1)
		require.Len(t, logged.Since(0, "level=WARN"), 1)
	})
	t.Run("warns of the append-only file", func(t *testing.T) {
		logged := check(t, private(t, t.TempDir(), "appendonly yes").URL())
		require.Len(t, logged.Since(0, `snapshots="" append_only_file=true`), 1)
		require.Len(t, logged.Since(0, disk), 1)
	})
	t.Run("logs that a server refuses to be checked", func(t *testing.T) {
		logged := check(t, private(t, t.TempDir(), "rename-command CONFIG nothing").URL())
		require.Len(t, logged.Since(0, silent), 1)
		require.Len(t, logged.Since(0, "level=INFO"), 1)
		logged = check(t, private(t, t.TempDir(), "user default on nopass ~* &* +@all -config").URL())
		require.Len(t, logged.Since(0, silent), 1)
		logged = check(t, private(t, t.TempDir(), "rename-command CONFIG nothing", "appendonly yes").URL())
		require.Len(t, logged.Since(0, "append_only_file=true"), 1, "INFO reports it")
	})
	t.Run("waits for an unavailable server", func(t *testing.T) {
		dir := t.TempDir()
		server := private(t, dir)
		s, logged := storeAt(t, server.URL())
		require.NoError(t, server.Stop())
		done := make(chan error, 1)
		go func() { done <- s.CheckServers(t.Context()) }()
		private(t, dir, "appendonly yes")
		require.NoError(t, <-done)
		require.Len(t, logged.Since(0, disk), 1)
	})
	t.Run("ends with its context", func(t *testing.T) {
		s, _ := storeAt(t, "unix:///nonexistent/redis.sock")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, s.CheckServers(ctx))
	})
	t.Run("warns of each server of a cluster", func(t *testing.T) {
		s, logged := storeInCluster(t, testkit.RedisClusterURL(t, "appendonly yes"))
		require.NoError(t, s.CheckServers(t.Context()))
		require.Len(t, logged.Since(0, disk), 3)
	})
}
