package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
)

// Account is everything that this package keeps of a user, except secrets.
type Account struct {
	Email        string
	CreatedAt    time.Time
	RegisteredAt *time.Time
	Handles      []string
	Sessions     []Session // oldest first
}

// Session is one session of a user.
type Session struct {
	ID        domain.ID  `json:"id"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

const exportSQL = `
SELECT email, created_at, registered_at,
       ARRAY(SELECT handle FROM identity.handles h WHERE h.user_id = c.user_id ORDER BY handle),
       ARRAY(SELECT json_build_object('id', s.id, 'created_at', s.created_at, 'expires_at', s.expires_at, 'revoked_at', s.revoked_at)
               FROM identity.sessions s WHERE s.user_id = c.user_id ORDER BY s.created_at, s.id)
  FROM identity.credentials c WHERE c.user_id = $1`

// Export returns a user's account, or domain.ErrUserNotFound.
func (s *Store) Export(ctx context.Context, user domain.ID) (a Account, err error) {
	err = s.pool.QueryRow(ctx, exportSQL, user).Scan(&a.Email, &a.CreatedAt, &a.RegisteredAt, &a.Handles, &a.Sessions)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Account{}, domain.ErrUserNotFound
	case err != nil:
		return Account{}, fmt.Errorf("export account: %w", err)
	}
	return a, nil
}
