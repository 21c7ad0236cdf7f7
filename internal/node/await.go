package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ping/internal/wait"
)

const (
	awaitPause = 500 * time.Millisecond // between two attempts to connect
	awaitLog   = 10 * time.Second       // between two log lines
)

// AwaitPostgres returns once Postgres accepts connections. A node cannot start
// without it, and the two often start together. After cfg.StartTimeout it returns
// the reason; so it does at once for a refusal that waiting does not change, such
// as a wrong password.
func AwaitPostgres(ctx context.Context, cfg Config, logger *slog.Logger) error {
	bounded, cancel := context.WithTimeout(ctx, cfg.StartTimeout)
	defer cancel()
	began, logged := time.Now(), time.Time{}
	for {
		err := connectOnce(bounded, cfg.DatabaseURL)
		switch {
		case err == nil:
			if !logged.IsZero() {
				logger.Info("Postgres is available", "waited", time.Since(began).Round(time.Millisecond))
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case isFinal(err):
			return fmt.Errorf("connect to Postgres: %w", err)
		}
		if time.Since(logged) >= awaitLog {
			logger.Warn("Postgres is unavailable; waiting for it", "error", err, "timeout", cfg.StartTimeout)
			logged = time.Now()
		}
		if !wait.Sleep(bounded, awaitPause) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("Postgres was unavailable for %s; start it, or correct DATABASE_URL: %w", cfg.StartTimeout, err)
		}
	}
}

func connectOnce(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// isFinal reports whether Postgres answered with a refusal that lasts. While it
// starts or stops (class 57) or has too many connections (class 53), it does not.
func isFinal(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && refusal.Code[:2] != "57" && refusal.Code[:2] != "53"
}
