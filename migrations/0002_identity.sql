-- +goose Up
-- What the log must never hold: e-mail addresses, password hashes, refresh
-- tokens. They live in these tables instead.
CREATE SCHEMA identity;

CREATE TABLE identity.credentials (
    user_id       uuid        NOT NULL CONSTRAINT credentials_pkey PRIMARY KEY,
    email         text        NOT NULL CONSTRAINT credentials_email UNIQUE,
    password_hash text        NOT NULL,
    display_name  text,
    register_key  text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    registered_at timestamptz,
    CONSTRAINT credentials_registered CHECK ((registered_at IS NULL) = (display_name IS NOT NULL))
);
COMMENT ON COLUMN identity.credentials.email IS 'Lower-cased, so that one address is one person however it is typed.';
COMMENT ON COLUMN identity.credentials.password_hash IS 'bcrypt.';
COMMENT ON COLUMN identity.credentials.display_name IS 'The name to register with, until user.registered holds it: so a login can finish what a crash interrupted.';
COMMENT ON COLUMN identity.credentials.register_key IS 'Idempotency-Key of the registration, so that its retry is told from a second person with the same address. The request''s fingerprint is not kept: it would hash the password far too fast.';
COMMENT ON COLUMN identity.credentials.registered_at IS 'Null until user.registered is in the log; the user exists from then.';

-- One row per login: the family of refresh tokens that descend from it.
CREATE TABLE identity.sessions (
    id         uuid        NOT NULL CONSTRAINT sessions_pkey PRIMARY KEY,
    user_id    uuid        NOT NULL CONSTRAINT sessions_user REFERENCES identity.credentials ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX sessions_user_id ON identity.sessions (user_id);
COMMENT ON COLUMN identity.sessions.id IS 'The sid of the access tokens.';
COMMENT ON COLUMN identity.sessions.expires_at IS 'Each refresh moves it on; a session left alone ends here.';
COMMENT ON COLUMN identity.sessions.revoked_at IS 'Set by a logout, and when a refresh token is used twice: one of the two who hold it is a thief, and nobody can tell which.';

CREATE TABLE identity.refresh_tokens (
    token_hash bytea       NOT NULL CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    session_id uuid        NOT NULL CONSTRAINT refresh_tokens_session REFERENCES identity.sessions ON DELETE CASCADE,
    issued_at  timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz,
    next_hash  bytea
);
CREATE INDEX refresh_tokens_session_id ON identity.refresh_tokens (session_id);
COMMENT ON COLUMN identity.refresh_tokens.token_hash IS 'SHA-256: a token has 256 random bits, so a slow hash would add nothing, and a copy of this table opens nothing.';
COMMENT ON COLUMN identity.refresh_tokens.used_at IS 'A used token is kept for as long as it could have been good, to notice when it comes again.';
COMMENT ON COLUMN identity.refresh_tokens.next_hash IS 'The token that this one was exchanged for: a retry of that very exchange is told by it from a theft.';

-- +goose Down
DROP SCHEMA identity CASCADE;
