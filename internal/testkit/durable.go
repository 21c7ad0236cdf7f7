package testkit

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/internal/devservices"
	"ping/internal/postgres"
	"ping/migrations"
)

// DurablePool returns connections to a new Postgres of its own that waits for
// the disk at every commit, as in production: for benchmarks. Tests take Pool.
func DurablePool(b testing.TB) *pgxpool.Pool {
	b.Helper()
	server, err := devservices.StartPostgres(context.Background(), filepath.Join(b.TempDir(), "postgres"), devservices.PostgresConfig{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, server.Stop()) })
	url := server.URL(devservices.PostgresDatabase)
	_, err = migrations.Up(context.Background(), url)
	require.NoError(b, err)
	pool, err := postgres.NewPool(context.Background(), url, 20)
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	return pool
}
