// Package postgres has what every user of Postgres needs in the same way: the
// pool, ids as uuids, and classes of errors.
package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// NewPool makes a pool of at most maxConns connections to the database at url;
// 0 means pgxpool's default. Its connections take and return domain.ID for uuid.
// It connects on first use.
func NewPool(ctx context.Context, url string, maxConns int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	if maxConns > 0 {
		config.MaxConns = int32(maxConns)
	}
	Configure(config)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	return pool, nil
}

// Configure makes the connections of a pool take and return domain.ID for uuid.
func Configure(config *pgxpool.Config) {
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		RegisterIDs(conn.TypeMap())
		return nil
	}
}
