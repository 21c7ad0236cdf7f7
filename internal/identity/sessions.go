package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/eventlog"
)

// sessionLife is how long a session lasts without a refresh, as an interval of
// Postgres. A used token is kept as long, to detect a second use.
const sessionLife = "30 days"

// Refusals of a login and of a refresh token.
var (
	ErrInvalidCredentials  = &domain.Error{Kind: domain.Unauthenticated, Code: "invalid_credentials", Message: "The e-mail address or the password is wrong."}
	ErrRefreshTokenInvalid = &domain.Error{Kind: domain.Unauthenticated, Code: "refresh_token_invalid", Message: "This refresh token is no longer valid; log in again."}
)

// OpenSession starts a session and returns its first refresh token. It deletes the
// user's expired sessions.
func (s *Store) OpenSession(ctx context.Context, user domain.ID) (session domain.ID, token string, err error) {
	session, token = eventlog.NewID(), auth.NewSecret()
	_, err = s.pool.Exec(ctx, `
WITH ended AS (
    DELETE FROM identity.sessions WHERE user_id = $2 AND expires_at < now()
), opened AS (
    INSERT INTO identity.sessions (id, user_id, expires_at) VALUES ($1, $2, now() + interval '`+sessionLife+`') RETURNING id
)
INSERT INTO identity.refresh_tokens (token_hash, session_id) SELECT $3, id FROM opened`,
		session, user, tokenHash(token))
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.ConstraintName == "sessions_user" {
		return domain.ID{}, "", ErrInvalidCredentials // the user was erased since the comparison
	}
	if err != nil {
		return domain.ID{}, "", fmt.Errorf("open session: %w", err)
	}
	return session, token, nil
}

// Owner is the user and the session of a refresh token.
type Owner struct{ User, Session domain.ID }

// Exchange invalidates a refresh token and makes next its successor, in one step:
// of any number of attempts with the same token, one succeeds. ok is false when
// the token cannot be exchanged, or not again.
func (s *Store) Exchange(ctx context.Context, token, next string) (o Owner, ok bool, err error) {
	err = s.pool.QueryRow(ctx, `
WITH used AS (
    UPDATE identity.refresh_tokens t SET used_at = now(), next_hash = $2
      FROM identity.sessions s
     WHERE t.token_hash = $1 AND t.used_at IS NULL
       AND s.id = t.session_id AND s.revoked_at IS NULL AND s.expires_at > now()
    RETURNING t.session_id, s.user_id
), added AS (
    INSERT INTO identity.refresh_tokens (token_hash, session_id) SELECT $2, session_id FROM used
), prolonged AS (
    UPDATE identity.sessions SET expires_at = now() + interval '`+sessionLife+`' WHERE id IN (SELECT session_id FROM used)
), forgotten AS (
    DELETE FROM identity.refresh_tokens
     WHERE session_id IN (SELECT session_id FROM used) AND used_at < now() - interval '`+sessionLife+`'
)
SELECT user_id, session_id FROM used`, tokenHash(token), tokenHash(next)).Scan(&o.User, &o.Session)
	if errors.Is(err, pgx.ErrNoRows) {
		return Owner{}, false, nil
	}
	if err != nil {
		return Owner{}, false, fmt.Errorf("exchange refresh token: %w", err)
	}
	return o, true, nil
}

// Exchanged reports whether token was exchanged for next and next is unused: then
// the caller repeats an exchange whose answer was lost.
func (s *Store) Exchanged(ctx context.Context, token, next string) (o Owner, ok bool, err error) {
	err = s.pool.QueryRow(ctx, `
SELECT s.user_id, s.id
  FROM identity.refresh_tokens t
  JOIN identity.refresh_tokens n ON n.token_hash = t.next_hash AND n.used_at IS NULL
  JOIN identity.sessions s ON s.id = t.session_id AND s.revoked_at IS NULL AND s.expires_at > now()
 WHERE t.token_hash = $1 AND t.next_hash = $2`, tokenHash(token), tokenHash(next)).
		Scan(&o.User, &o.Session)
	if errors.Is(err, pgx.ErrNoRows) {
		return Owner{}, false, nil
	}
	if err != nil {
		return Owner{}, false, fmt.Errorf("find exchange: %w", err)
	}
	return o, true, nil
}

// RevokeUsed ends the session of a token that was used before, and returns it. It
// returns zero when the token is unknown, unused or of an ended session.
func (s *Store) RevokeUsed(ctx context.Context, token string) (session domain.ID, err error) {
	err = s.pool.QueryRow(ctx, `
UPDATE identity.sessions s SET revoked_at = now()
  FROM identity.refresh_tokens t
 WHERE t.token_hash = $1 AND t.used_at IS NOT NULL AND s.id = t.session_id AND s.revoked_at IS NULL
RETURNING s.id`, tokenHash(token)).Scan(&session)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return domain.ID{}, fmt.Errorf("revoke session: %w", err)
	}
	return session, nil
}

// Revoke ends a session.
func (s *Store) Revoke(ctx context.Context, session domain.ID) error {
	_, err := s.pool.Exec(ctx, `
UPDATE identity.sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL`, session)
	if err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	return nil
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// RevokedSQL is what Revoked runs, every few seconds on each node. It is exported for
// the test of its plan.
const RevokedSQL = `
SELECT now(),
       ARRAY(SELECT id FROM identity.sessions WHERE revoked_at > greatest($1::timestamptz, now() - $2::interval)),
       ARRAY(SELECT user_id FROM identity.erasures WHERE finished_at IS NULL OR finished_at > now() - $2::interval)`

// Revoked returns the sessions revoked since a time, but within age, and the users
// erased within age or being erased: they are few. now is the time of the read.
func (s *Store) Revoked(ctx context.Context, since time.Time, age time.Duration) (now time.Time, sessions, users []domain.ID, err error) {
	if err = s.pool.QueryRow(ctx, RevokedSQL, since, age).Scan(&now, &sessions, &users); err != nil {
		return now, nil, nil, fmt.Errorf("read revocations: %w", err)
	}
	return now, sessions, users, nil
}
