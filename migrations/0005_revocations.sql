-- +goose Up
-- Each node reads every few seconds the sessions that ended within the lifetime of
-- an access token.
CREATE INDEX sessions_revoked_at ON identity.sessions (revoked_at) WHERE revoked_at IS NOT NULL;

-- One row per person who asked to be erased.
CREATE TABLE identity.erasures (
    user_id      uuid        NOT NULL CONSTRAINT erasures_pkey PRIMARY KEY,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz
);
CREATE INDEX erasures_requested_at ON identity.erasures (requested_at);
CREATE INDEX erasures_finished_at ON identity.erasures (finished_at);
COMMENT ON TABLE identity.erasures IS 'Users by id, and no reference to their credentials or sessions: those may be deleted at any time, and the user''s tokens are refused all the same.';
COMMENT ON COLUMN identity.erasures.requested_at IS 'From then on no token of the user is accepted.';
COMMENT ON COLUMN identity.erasures.finished_at IS 'Null while something of the user is left. Tokens are refused for as long, and for the life of a token after it.';

-- +goose Down
DROP TABLE identity.erasures;
DROP INDEX identity.sessions_revoked_at;
