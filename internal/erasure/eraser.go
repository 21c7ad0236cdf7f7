package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
	"ping/internal/identity"
)

// Config tunes an Eraser. The zero value of a field means its default.
type Config struct {
	// Poll is how often a node looks for erasures of other nodes (5 s).
	Poll time.Duration
	// Settle is the time between the two passes (1 min), which is longer than any
	// command runs.
	Settle time.Duration
	// Fleeting is how long after the request an unavailable Redis is awaited (24 h):
	// then the last stealth message has expired.
	Fleeting time.Duration
}

func (c Config) withDefaults() Config {
	if c.Poll <= 0 {
		c.Poll = 5 * time.Second
	}
	if c.Settle <= 0 {
		c.Settle = time.Minute
	}
	if c.Fleeting <= 0 {
		c.Fleeting = 24 * time.Hour
	}
	return c
}

const (
	// maxPause is the maximum backoff.
	maxPause = time.Minute
	// maxRound bounds the erasures per pass.
	maxRound = 100
	// lockKey is the advisory lock of the working Eraser.
	lockKey = 0x50494e47_45524153
)

// Eraser erases the users that have requested it.
type Eraser struct {
	pool       *pgxpool.Pool
	log        *eventlog.Log
	identities *identity.Store
	ephemeral  *ephemeral.Store
	cfg        Config
	logger     *slog.Logger
	wake       chan struct{}
	// reached is called after each step; for tests.
	reached func(step string)
}

// New makes an Eraser. It works while Run runs.
func New(pool *pgxpool.Pool, identities *identity.Store, log *eventlog.Log, store *ephemeral.Store, cfg Config, logger *slog.Logger) *Eraser {
	return &Eraser{pool: pool, identities: identities, log: log, ephemeral: store, cfg: cfg.withDefaults(), logger: logger,
		wake: make(chan struct{}, 1), reached: func(string) {}}
}

// Wake reports a new erasure.
func (e *Eraser) Wake() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends.
func (e *Eraser) Run(ctx context.Context) error {
	pause := e.cfg.Poll
	for {
		err := e.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			pause = e.cfg.Poll
		default:
			e.logger.Warn("erasure will be tried again", "error", err)
			pause = min(2*pause, max(maxPause, e.cfg.Poll))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
		case <-time.After(pause):
		}
	}
}

// round makes a pass over all due erasures, unless another node does.
func (e *Eraser) round(ctx context.Context) error {
	users, err := e.identities.DueErasures(ctx, e.cfg.Settle, maxRound)
	if err != nil || len(users) == 0 {
		return err
	}
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("take erasures: %w", err)
	}
	defer conn.Release()
	var mine bool
	if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(lockKey)).Scan(&mine); err != nil {
		return fmt.Errorf("take erasures: %w", err)
	}
	if !mine {
		return nil
	}
	defer giveBack(ctx, conn)
	// Read again: another node may have made the pass meanwhile.
	if users, err = e.identities.DueErasures(ctx, e.cfg.Settle, maxRound); err != nil || len(users) == 0 {
		return err
	}
	return e.pass(ctx, users)
}

// giveBack releases the lock, which must not return to the pool with its
// connection.
func giveBack(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, int64(lockKey)); err != nil {
		_ = conn.Conn().Close(ctx) // the lock ends with it
	}
}

// pass makes one pass over the erasures of users. An error for one of them does not
// affect the others.
func (e *Eraser) pass(ctx context.Context, users []domain.ID) error {
	if err := e.identities.TryErasures(ctx, users); err != nil {
		return err
	}
	var errs []error
	fail := func(user domain.ID, err error) { errs = append(errs, fmt.Errorf("erase %s: %w", user, err)) }
	swept, partly := make(map[domain.ID]places, len(users)), map[domain.ID]bool{}
	for _, user := range users {
		where, err := e.sweep(ctx, user)
		if err != nil {
			fail(user, err)
			partly[user] = true
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		swept[user] = where
	}
	if err := e.log.AwaitForgotten(ctx); err != nil {
		return err
	}
	e.reached("forgotten")
	if err := e.log.DropOldMirrors(ctx); err != nil {
		return errors.Join(append(errs, err)...)
	}
	for user, where := range swept {
		if err := e.unmirror(ctx, where); err != nil {
			fail(user, err)
		} else if partly[user] {
			continue // the rest is retried
		} else if err := e.mark(ctx, user); err != nil {
			fail(user, err)
		}
	}
	return errors.Join(errs...)
}
