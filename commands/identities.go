package commands

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
)

var (
	errEmailTaken   = &domain.Error{Kind: domain.Conflict, Code: "email_taken", Message: "This e-mail address is registered; log in instead."}
	errEmailInvalid = &domain.Error{Kind: domain.Unprocessable, Code: "email_invalid", Message: "This is not an e-mail address such as ada@example.org."}
)

// identities are the rows of the schema identity.
type identities struct {
	pool    *pgxpool.Pool
	handles chan struct{} // taken by those who change one
}

func newIdentities(pool *pgxpool.Pool) *identities {
	return &identities{pool: pool, handles: make(chan struct{}, handleChanges)}
}

// credentials are one row of identity.credentials.
type credentials struct {
	UserID       domain.ID
	PasswordHash string
	Registered   bool
	DisplayName  string // to register with; "" once Registered
	RegisterKey  string // the Idempotency-Key of the registration; "" without
}

// find returns the credentials of an address; a zero UserID when it has none.
func (i *identities) find(ctx context.Context, email string) (credentials, error) {
	var c credentials
	err := i.pool.QueryRow(ctx, `
SELECT user_id, password_hash, registered_at IS NOT NULL, coalesce(display_name, ''), coalesce(register_key, '')
  FROM identity.credentials WHERE email = $1`, email).
		Scan((*[16]byte)(&c.UserID), &c.PasswordHash, &c.Registered, &c.DisplayName, &c.RegisterKey)
	if errors.Is(err, pgx.ErrNoRows) {
		return credentials{}, nil
	}
	if err != nil {
		return credentials{}, fmt.Errorf("find credentials: %w", err)
	}
	return c, nil
}

// add stores new credentials; false when the address was taken meanwhile.
func (i *identities) add(ctx context.Context, email string, c credentials) (bool, error) {
	tag, err := i.pool.Exec(ctx, `
INSERT INTO identity.credentials (user_id, email, password_hash, display_name, register_key)
VALUES ($1, $2, $3, $4, nullif($5, '')) ON CONFLICT ON CONSTRAINT credentials_email DO NOTHING`,
		[16]byte(c.UserID), email, c.PasswordHash, c.DisplayName, c.RegisterKey)
	if err != nil {
		return false, fmt.Errorf("add credentials: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// adopt gives credentials that a crash left unregistered to a new attempt.
func (i *identities) adopt(ctx context.Context, c credentials) error {
	_, err := i.pool.Exec(ctx, `
UPDATE identity.credentials SET display_name = $2, register_key = nullif($3, '')
 WHERE user_id = $1 AND registered_at IS NULL`, [16]byte(c.UserID), c.DisplayName, c.RegisterKey)
	if err != nil {
		return fmt.Errorf("adopt credentials: %w", err)
	}
	return nil
}

// markRegistered notes that user.registered is in the log.
func (i *identities) markRegistered(ctx context.Context, user domain.ID) error {
	_, err := i.pool.Exec(ctx, `
UPDATE identity.credentials SET registered_at = clock_timestamp(), display_name = NULL
 WHERE user_id = $1 AND registered_at IS NULL`, [16]byte(user))
	if err != nil {
		return fmt.Errorf("mark as registered: %w", err)
	}
	return nil
}

// strangers returns those of the ids that are no registered users.
func (i *identities) strangers(ctx context.Context, ids []domain.ID) ([]domain.ID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	asked := make([][16]byte, len(ids))
	for n, id := range ids {
		asked[n] = id
	}
	rows, err := i.pool.Query(ctx, `
SELECT id FROM unnest($1::uuid[]) AS id
 WHERE NOT EXISTS (SELECT FROM identity.credentials c WHERE c.user_id = id AND c.registered_at IS NOT NULL)`, asked)
	if err != nil {
		return nil, fmt.Errorf("look up users: %w", err)
	}
	strangers, err := pgx.CollectRows(rows, scanID)
	if err != nil {
		return nil, fmt.Errorf("look up users: %w", err)
	}
	return strangers, nil
}

func scanID(row pgx.CollectableRow) (id domain.ID, err error) {
	return id, row.Scan((*[16]byte)(&id))
}

// normalEmail returns the form of an address that is compared and stored.
func normalEmail(email string) (string, error) {
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > 254 || strings.ContainsFunc(email, notInEmail) {
		return "", errEmailInvalid
	}
	return strings.ToLower(email), nil
}

func notInEmail(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
