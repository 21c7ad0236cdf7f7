package testkit

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/internal/devservices"
	"ping/migrations"
)

// DurablePool returns connections to a new Postgres of its own that waits for
// the disk at every commit, as in production: for benchmarks. Tests take Pool.
func DurablePool(b testing.TB) *pgxpool.Pool {
	b.Helper()
	postgres, err := devservices.StartPostgres(context.Background(), filepath.Join(b.TempDir(), "postgres"), devservices.PostgresConfig{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, postgres.Stop()) })
	url := postgres.URL(devservices.PostgresDatabase)
	_, err = migrations.Up(context.Background(), url)
	require.NoError(b, err)
	config, err := pgxpool.ParseConfig(url)
	require.NoError(b, err)
	config.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	return pool
}
