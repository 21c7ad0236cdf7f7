package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
)

// handleChanges bounds the concurrent changes of handles on a node: each holds a
// connection while it needs another.
const handleChanges = 4

// LockHandles waits for the lock on a user's handles.
func (s *Store) LockHandles(ctx context.Context, user domain.ID) (unlock func(), err error) {
	select {
	case s.handles <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	tx, err := s.pool.Begin(ctx)
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('handles of ' || $1::text, 0))`, user.String())
	}
	unlock = func() {
		if tx != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			_ = tx.Rollback(ctx) // the lock ends with the transaction or its connection in any case
		}
		<-s.handles
	}
	if err != nil {
		unlock()
		return nil, fmt.Errorf("lock handles: %w", err)
	}
	return unlock, nil
}

// ByHandles returns the users of handles, in the order of the handles. Unclaimed
// handles are left out.
func (s *Store) ByHandles(ctx context.Context, handles []string) ([]domain.ID, error) {
	rows, _ := s.pool.Query(ctx, `
SELECT h.user_id FROM unnest($1::text[]) WITH ORDINALITY AS asked (handle, idx)
  JOIN identity.handles h ON h.handle = asked.handle ORDER BY asked.idx`, handles)
	users, err := pgx.CollectRows(rows, pgx.RowTo[domain.ID])
	if err != nil {
		return nil, fmt.Errorf("look up handles: %w", err)
	}
	return users, nil
}

// ClaimHandle gives a handle to a user, who may have it already. It returns false
// when another user has it.
func (s *Store) ClaimHandle(ctx context.Context, user domain.ID, handle string) (bool, error) {
	tag, err := s.pool.Exec(ctx, `
INSERT INTO identity.handles AS h (handle, user_id)
SELECT $2, c.user_id FROM identity.credentials c WHERE c.user_id = $1
    ON CONFLICT ON CONSTRAINT handles_pkey DO UPDATE SET user_id = $1 WHERE h.user_id = $1`, user, handle)
	if err != nil {
		return false, fmt.Errorf("claim handle: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// KeepHandle releases all handles of a user except one; nil keeps none.
func (s *Store) KeepHandle(ctx context.Context, user domain.ID, handle *string) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM identity.handles WHERE user_id = $1 AND handle IS DISTINCT FROM $2`, user, handle)
	if err != nil {
		return fmt.Errorf("release handles: %w", err)
	}
	return nil
}
