package commands

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/eventlog"
)

// sessionLife is how long a session lasts without a refresh, as Postgres
// reads it. A used token is kept as long, to notice when it comes again.
const sessionLife = "30 days"

var errRefreshTokenInvalid = &domain.Error{Kind: domain.Unauthenticated, Code: "refresh_token_invalid", Message: "This refresh token is not good any more; log in again."}

// openSession begins a session and returns its first refresh token. Those of
// the user's sessions that have ended are cleared away.
func (i *identities) openSession(ctx context.Context, user domain.ID) (session domain.ID, token string, err error) {
	session, token = eventlog.NewID(), auth.NewSecret()
	_, err = i.pool.Exec(ctx, `
WITH ended AS (
    DELETE FROM identity.sessions WHERE user_id = $2 AND expires_at < now()
), opened AS (
    INSERT INTO identity.sessions (id, user_id, expires_at) VALUES ($1, $2, now() + interval '`+sessionLife+`') RETURNING id
)
INSERT INTO identity.refresh_tokens (token_hash, session_id) SELECT $3, id FROM opened`,
		[16]byte(session), [16]byte(user), tokenHash(token))
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.ConstraintName == "sessions_user" {
		return domain.ID{}, "", errInvalidCredentials // erased since they were compared
	}
	if err != nil {
		return domain.ID{}, "", fmt.Errorf("open session: %w", err)
	}
	return session, token, nil
}

// owner is whose session a token belongs to.
type owner struct{ user, session domain.ID }

// exchange makes a refresh token useless and next its successor, at once: of
// any number who try with the same token, one succeeds. ok is false when the
// token cannot be exchanged (again).
func (i *identities) exchange(ctx context.Context, token, next string) (o owner, ok bool, err error) {
	err = i.pool.QueryRow(ctx, `
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
SELECT user_id, session_id FROM used`, tokenHash(token), tokenHash(next)).Scan((*[16]byte)(&o.user), (*[16]byte)(&o.session))
	if errors.Is(err, pgx.ErrNoRows) {
		return owner{}, false, nil
	}
	if err != nil {
		return owner{}, false, fmt.Errorf("exchange refresh token: %w", err)
	}
	return o, true, nil
}

// exchanged reports whether token was exchanged for next, which nobody has
// used yet: then the caller repeats an exchange whose answer was lost.
func (i *identities) exchanged(ctx context.Context, token, next string) (o owner, ok bool, err error) {
	err = i.pool.QueryRow(ctx, `
SELECT s.user_id, s.id
  FROM identity.refresh_tokens t
  JOIN identity.refresh_tokens n ON n.token_hash = t.next_hash AND n.used_at IS NULL
  JOIN identity.sessions s ON s.id = t.session_id AND s.revoked_at IS NULL AND s.expires_at > now()
 WHERE t.token_hash = $1 AND t.next_hash = $2`, tokenHash(token), tokenHash(next)).
		Scan((*[16]byte)(&o.user), (*[16]byte)(&o.session))
	if errors.Is(err, pgx.ErrNoRows) {
		return owner{}, false, nil
	}
	if err != nil {
		return owner{}, false, fmt.Errorf("look for an exchange: %w", err)
	}
	return o, true, nil
}

// revokeUsed ends the session of a token that was used before and returns it;
// zero when the token is unknown, unused or of a session that has ended.
func (i *identities) revokeUsed(ctx context.Context, token string) (session domain.ID, err error) {
	err = i.pool.QueryRow(ctx, `
UPDATE identity.sessions s SET revoked_at = now()
  FROM identity.refresh_tokens t
 WHERE t.token_hash = $1 AND t.used_at IS NOT NULL AND s.id = t.session_id AND s.revoked_at IS NULL
RETURNING s.id`, tokenHash(token)).Scan((*[16]byte)(&session))
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return domain.ID{}, fmt.Errorf("revoke session: %w", err)
	}
	return session, nil
}

// revoke ends a session.
func (i *identities) revoke(ctx context.Context, session domain.ID) error {
	_, err := i.pool.Exec(ctx, `
UPDATE identity.sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL`, [16]byte(session))
	if err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	return nil
}

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
