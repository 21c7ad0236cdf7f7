package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
)

// RequestErasure deletes a user's credentials, with everything that refers to them,
// and requests the erasure of the rest: both or neither. It returns false when the
// password has changed since it was compared, or the user is gone.
func (s *Store) RequestErasure(ctx context.Context, user domain.ID, passwordHash string) (bool, error) {
	tag, err := s.pool.Exec(ctx, `
WITH gone AS (
    DELETE FROM identity.credentials WHERE user_id = $1 AND password_hash = $2 RETURNING user_id
)
INSERT INTO identity.erasures (user_id) SELECT user_id FROM gone`, user, passwordHash)
	if err != nil {
		return false, fmt.Errorf("erase credentials: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

const dueErasuresSQL = `
SELECT user_id FROM identity.erasures
 WHERE finished_at IS NULL AND coalesce(swept_at < clock_timestamp() - $1::interval, true)
 ORDER BY tried_at NULLS FIRST, requested_at LIMIT $2`

// DueErasures returns users whose first pass is due, or whose second is due because
// settle has passed since the first.
func (s *Store) DueErasures(ctx context.Context, settle time.Duration, limit int) ([]domain.ID, error) {
	rows, _ := s.pool.Query(ctx, dueErasuresSQL, settle, limit)
	users, err := pgx.CollectRows(rows, pgx.RowTo[domain.ID])
	if err != nil {
		return nil, fmt.Errorf("read due erasures: %w", err)
	}
	return users, nil
}

// ErasureIsRecent reports whether an erasure was requested within age.
func (s *Store) ErasureIsRecent(ctx context.Context, user domain.ID, age time.Duration) (recent bool, err error) {
	err = s.pool.QueryRow(ctx, `SELECT requested_at > clock_timestamp() - $2::interval FROM identity.erasures WHERE user_id = $1`, user, age).Scan(&recent)
	if err != nil {
		return false, fmt.Errorf("read when erasure was requested: %w", err)
	}
	return recent, nil
}

// TryErasures notes the start of a pass, so that erasures that fail repeatedly come
// after others.
func (s *Store) TryErasures(ctx context.Context, users []domain.ID) error {
	if _, err := s.pool.Exec(ctx, `UPDATE identity.erasures SET tried_at = clock_timestamp() WHERE user_id = ANY ($1)`, users); err != nil {
		return fmt.Errorf("begin pass: %w", err)
	}
	return nil
}

const markErasureSQL = `
UPDATE identity.erasures
   SET finished_at = CASE WHEN swept_at IS NOT NULL THEN clock_timestamp() END,
       swept_at = coalesce(swept_at, clock_timestamp())
 WHERE user_id = $1 AND finished_at IS NULL`

// MarkErasure notes the end of a pass: the first, or the second, which finishes the
// erasure.
func (s *Store) MarkErasure(ctx context.Context, user domain.ID) error {
	if _, err := s.pool.Exec(ctx, markErasureSQL, user); err != nil {
		return fmt.Errorf("mark pass: %w", err)
	}
	return nil
}
