package eventlog_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/postgres"
	"ping/internal/testkit"
)

// writerEnv makes the test binary a writer: "database NATS owner groups", the
// owner and the groups as ids.
const writerEnv = "PING_TEST_LOG_WRITER"

// writeAsChild sends to the given groups from many goroutines, and prints each
// idempotency key once its command is acknowledged, until it is killed.
func writeAsChild(ctx context.Context) error {
	fields := strings.Fields(os.Getenv(writerEnv))
	pool, err := postgres.NewPool(ctx, fields[0], 0)
	if err != nil {
		return err
	}
	nc, err := eventlog.Connect(fields[1])
	if err != nil {
		return err
	}
	l, err := eventlog.Open(ctx, pool, nc, eventlog.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	owner, err := domain.ParseID(fields[2])
	if err != nil {
		return err
	}
	var out sync.Mutex
	for w := range 16 {
		group, err := domain.ParseID(fields[3+w%(len(fields)-3)])
		if err != nil {
			return err
		}
		go func() {
			n := &node{Log: l}
			for {
				key := uuid.NewString()
				if _, err := n.send(ctx, group, owner, key, key); err != nil {
					return
				}
				out.Lock()
				fmt.Println(key)
				out.Unlock()
			}
		}()
	}
	return l.Run(ctx)
}

// TestProcesses: several processes write at once and are killed with SIGKILL,
// three times over. What they acknowledged is in the log once, the log is sound,
// and the mirror is complete after the next start.
func TestProcesses(t *testing.T) {
	url := testkit.DatabaseURL(t)
	pool, err := postgres.NewPool(t.Context(), url, 0)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	broker := testkit.NATS(t)
	n := open(t, pool, broker.ClientURL())
	owner := eventlog.NewID()
	env := []string{url + "&application_name=writer", broker.ClientURL(), owner.String()}
	for range 4 {
		group := eventlog.NewID()
		n.createGroup(t, group, owner)
		env = append(env, group.String())
	}
	require.NoError(t, n.stop())

	acknowledged := map[string]bool{}
	for range 3 {
		const processes, each = 3, 150
		var wait sync.WaitGroup
		var mu sync.Mutex
		for range processes {
			wait.Go(func() {
				child := exec.Command(os.Args[0], "-test.run=^$")
				child.Env = append(os.Environ(), writerEnv+"="+strings.Join(env, " "))
				child.Stderr = os.Stderr
				out, err := child.StdoutPipe()
				if err != nil {
					t.Error(err)
					return
				}
				if err := child.Start(); err != nil {
					t.Error(err)
					return
				}
				lines := bufio.NewScanner(out)
				for i := 0; lines.Scan(); i++ {
					if _, err := uuid.Parse(lines.Text()); err != nil {
						continue // truncated by the kill, so never acknowledged
					}
					mu.Lock()
					acknowledged[lines.Text()] = true
					mu.Unlock()
					if i == each {
						_ = child.Process.Kill() // the rest of the pipe is still read
					}
				}
				_ = child.Wait() // killed
			})
		}
		wait.Wait()
	}
	require.Greater(t, len(acknowledged), 1000)
	// Postgres may still commit for a process that was killed.
	require.Eventually(t, func() bool {
		var connections int
		err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'writer'`).Scan(&connections)
		return err == nil && connections == 0
	}, 20*time.Second, 5*time.Millisecond)

	requireSoundLog(t, pool)
	rows, err := pool.Query(t.Context(), `SELECT payload->>'body', count(*) FROM log.events WHERE type = 'message.sent' GROUP BY 1`)
	require.NoError(t, err)
	stored := map[string]int{}
	for rows.Next() {
		var id string
		var count int
		require.NoError(t, rows.Scan(&id, &count))
		stored[id] = count
	}
	require.NoError(t, rows.Err())
	for id := range acknowledged {
		require.Equal(t, 1, stored[id], "acknowledged command %s", id)
	}
	open(t, pool, broker.ClientURL())
	requireMirrored(t, pool, broker.ClientURL(), 1)
}
