// Package testkit gives tests the real parts that Ping runs on. A test binary
// starts one Postgres and one Redis of its own, when the first test asks for
// them; each test gets a database, a Redis database and a NATS server to itself.
package testkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ping/internal/devservices"
	"ping/internal/postgres"
)

// What the tests of one binary share.
var (
	shared         scratch
	databases      atomic.Int64
	redisDatabases atomic.Int64
)

// Main runs the tests of a package, ends the parts that they used, and fails
// when a goroutine is left. Call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	err := shared.close()
	if code == 0 {
		err = errors.Join(err, goleak.Find())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testkit:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// DatabaseURL returns the URL of a new database with the newest schema, dropped
// when the test ends.
func DatabaseURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, templateDatabase)
}

// EmptyDatabaseURL returns the URL of a new database without a schema, dropped
// when the test ends.
func EmptyDatabaseURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, "template1")
}

func newDatabase(t testing.TB, template string) string {
	t.Helper()
	postgres, err := shared.postgres()
	require.NoError(t, err)
	name := fmt.Sprintf("test_%d", databases.Add(1))
	execute(t, postgres, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() { execute(t, postgres, "DROP DATABASE "+name+" WITH (FORCE)") })
	return postgres.URL(name)
}

// Pool returns connections to a new database with the newest schema. When the
// test ends they are closed, which waits for those in use, and it is dropped.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.NewPool(context.Background(), DatabaseURL(t), 10)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// Redis returns a client of an empty Redis database that no other running test
// uses. Publish and subscribe know no databases: take channel names that no
// other test takes.
func Redis(t testing.TB) *redis.Client {
	t.Helper()
	server, err := shared.redis()
	require.NoError(t, err)
	options, err := redis.ParseURL(server.URL())
	require.NoError(t, err)
	options.DB = int(redisDatabases.Add(1)-1) % devservices.RedisDatabases
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() }) // the test may have closed it
	require.NoError(t, client.FlushDB(context.Background()).Err())
	return client
}

// NATS returns a new NATS server with JetStream, stopped when the test ends.
func NATS(t testing.TB) *devservices.NATS {
	t.Helper()
	n, err := devservices.StartNATS(t.TempDir(), Logger(t))
	require.NoError(t, err)
	t.Cleanup(n.Stop)
	return n
}

// Logger returns a logger to the test's own output. Of a benchmark, whose
// output is always shown, only warnings and errors appear.
func Logger(t testing.TB) *slog.Logger {
	level := slog.LevelInfo
	if _, isBenchmark := t.(*testing.B); isBenchmark {
		level = slog.LevelWarn
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

// execute runs one statement on a connection of its own: no connection may be
// open to a database that is copied or dropped.
func execute(t testing.TB, postgres *devservices.Postgres, statement string) {
	t.Helper()
	ctx := context.Background() // also after the test's own has ended
	conn, err := pgx.Connect(ctx, postgres.URL("postgres"))
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	require.NoError(t, err)
}
