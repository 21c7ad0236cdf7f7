// Package identity keeps what must not enter the log: credentials, sessions and
// refresh tokens, and the claims on handles. Only this package reads and writes
// the schema identity.
package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
)

// Store reads and writes the schema identity. It is safe for concurrent use.
type Store struct {
	pool    *pgxpool.Pool
	handles chan struct{} // a place per change of a handle
}

// NewStore makes a store.
func NewStore(pool *pgxpool.Pool) *Store {
	return &Store{pool: pool, handles: make(chan struct{}, handleChanges)}
}

// Credentials are one row of identity.credentials.
type Credentials struct {
	UserID       domain.ID
	PasswordHash string
	Registered   bool
	DisplayName  string // for the registration; empty once Registered
	RegisterKey  string // the Idempotency-Key of the registration; may be empty
}

// Find returns the credentials of an e-mail address, with a zero UserID when there
// are none.
func (s *Store) Find(ctx context.Context, email string) (Credentials, error) {
	var c Credentials
	err := s.pool.QueryRow(ctx, `
SELECT user_id, password_hash, registered_at IS NOT NULL, coalesce(display_name, ''), coalesce(register_key, '')
  FROM identity.credentials WHERE email = $1`, email).
		Scan(&c.UserID, &c.PasswordHash, &c.Registered, &c.DisplayName, &c.RegisterKey)
	if errors.Is(err, pgx.ErrNoRows) {
		return Credentials{}, nil
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("find credentials: %w", err)
	}
	return c, nil
}

// Add stores new credentials. It returns false when the address was taken
// meanwhile.
func (s *Store) Add(ctx context.Context, email string, c Credentials) (bool, error) {
	tag, err := s.pool.Exec(ctx, `
INSERT INTO identity.credentials (user_id, email, password_hash, display_name, register_key)
VALUES ($1, $2, $3, $4, nullif($5, '')) ON CONFLICT ON CONSTRAINT credentials_email DO NOTHING`,
		c.UserID, email, c.PasswordHash, c.DisplayName, c.RegisterKey)
	if err != nil {
		return false, fmt.Errorf("add credentials: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Adopt gives credentials that a crash left unregistered to a new attempt.
func (s *Store) Adopt(ctx context.Context, c Credentials) error {
	_, err := s.pool.Exec(ctx, `
UPDATE identity.credentials SET display_name = $2, register_key = nullif($3, '')
 WHERE user_id = $1 AND registered_at IS NULL`, c.UserID, c.DisplayName, c.RegisterKey)
	if err != nil {
		return fmt.Errorf("adopt credentials: %w", err)
	}
	return nil
}

// MarkRegistered notes that user.registered is in the log.
func (s *Store) MarkRegistered(ctx context.Context, user domain.ID) error {
	_, err := s.pool.Exec(ctx, `
UPDATE identity.credentials SET registered_at = clock_timestamp(), display_name = NULL
 WHERE user_id = $1 AND registered_at IS NULL`, user)
	if err != nil {
		return fmt.Errorf("mark as registered: %w", err)
	}
	return nil
}

// Unregistered returns the ids that do not belong to registered users.
func (s *Store) Unregistered(ctx context.Context, ids []domain.ID) ([]domain.ID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, `
SELECT id FROM unnest($1::uuid[]) AS id
 WHERE NOT EXISTS (SELECT FROM identity.credentials c WHERE c.user_id = id AND c.registered_at IS NOT NULL)`, ids)
	if err != nil {
		return nil, fmt.Errorf("look up users: %w", err)
	}
	unregistered, err := pgx.CollectRows(rows, pgx.RowTo[domain.ID])
	if err != nil {
		return nil, fmt.Errorf("look up users: %w", err)
	}
	return unregistered, nil
}

// PasswordHash returns the password hash of a user, empty when they have no
// credentials.
func (s *Store) PasswordHash(ctx context.Context, user domain.ID) (hash string, err error) {
	err = s.pool.QueryRow(ctx, `SELECT password_hash FROM identity.credentials WHERE user_id = $1`, user).Scan(&hash)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("read password: %w", err)
	}
	return hash, nil
}
