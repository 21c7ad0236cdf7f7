-- +goose Up
-- Columns whose comments were unclear.
COMMENT ON COLUMN log.events.command_id IS 'Derived from the actor and their idempotency key, so the keys of different users never collide.';
COMMENT ON COLUMN log.receipts.actor IS 'The user whose command it was: the fingerprint may be derived from a text they wrote.';
COMMENT ON COLUMN log.streams.guard IS 'Version of the last decisive event. A decision made on an earlier version is refused.';
COMMENT ON COLUMN log.events.payload IS 'json, not jsonb: it preserves the bytes, so a frame made from here equals the frame made at the append.';
COMMENT ON COLUMN log.meta.redactions IS 'Raised by each transaction that overwrites payloads: nodes that see it change invalidate the events in their memory.';
COMMENT ON COLUMN identity.credentials.email IS 'Lower-cased, so that an address in any spelling is one account.';
COMMENT ON COLUMN identity.credentials.display_name IS 'The name to register with, until user.registered holds it: a login can then finish a registration that a crash interrupted.';
COMMENT ON COLUMN identity.credentials.register_key IS 'Idempotency-Key of the registration. It tells a retry apart from a second person with the same address. The request''s fingerprint is not stored: it would be a fast hash of the password.';
COMMENT ON COLUMN identity.sessions.expires_at IS 'Each refresh extends it.';
COMMENT ON COLUMN identity.sessions.revoked_at IS 'Set by a logout, and when a refresh token is used twice: then two parties hold it, and the server cannot tell which is the owner.';
COMMENT ON COLUMN identity.refresh_tokens.token_hash IS 'SHA-256. A slow hash would add nothing, because a token has 256 random bits.';
COMMENT ON COLUMN identity.refresh_tokens.used_at IS 'A used token is stored until it would have expired, so that a second use is detected.';
COMMENT ON COLUMN identity.refresh_tokens.next_hash IS 'The token that this one was exchanged for. It tells a retry of that exchange apart from a theft.';
COMMENT ON COLUMN identity.handles.user_id IS 'A user has one handle, and two during a change: the new one is claimed first, and the old one is released after the event. The next change removes what a crash left behind.';
COMMENT ON TABLE identity.erasures IS 'Users by id, without a reference to their credentials or sessions: those may be deleted at any time, and the user''s tokens are refused all the same.';
COMMENT ON COLUMN identity.erasures.requested_at IS 'From this time on no token of the user is accepted.';
COMMENT ON COLUMN identity.erasures.finished_at IS 'Null while some data of the user is left. Tokens are refused until then, and for the lifetime of a token after it.';
COMMENT ON COLUMN identity.erasures.tried_at IS 'When the last pass began. The erasure that was tried longest ago comes first.';
COMMENT ON COLUMN identity.erasures.swept_at IS 'When the first pass was complete. The second comes a minute later, for commands that were in progress.';
COMMENT ON COLUMN projections.parked.error IS 'The error that Postgres returned, without values: they may be what a person wrote.';

-- +goose Down
