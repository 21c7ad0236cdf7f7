-- Every user's public profile.
CREATE TABLE users (
    id            uuid        NOT NULL CONSTRAINT users_pkey PRIMARY KEY,
    display_name  text        NOT NULL,
    handle        text,
    bio           text,
    avatar_url    text,
    registered_at timestamptz NOT NULL,
    erased_at     timestamptz,
    version       bigint      NOT NULL
);
-- For the search by the beginning of a name, whatever its case. The "C"
-- collation makes a prefix a range, and gives the list one order for ever.
CREATE INDEX users_display_name ON users (lower(display_name) COLLATE "C", id);
CREATE INDEX users_handle ON users (handle COLLATE "C", id) WHERE handle IS NOT NULL;
COMMENT ON COLUMN users.handle IS 'Without the @. identity.handles says whose it is; two may show it here for the moment between two changes.';
COMMENT ON COLUMN users.erased_at IS 'Set when the person was erased: everything else that was known of him is empty.';

-- Whom users have blocked.
CREATE TABLE blocks (
    user_id    uuid   NOT NULL,
    blocked_id uuid   NOT NULL,
    seq        bigint NOT NULL,
    CONSTRAINT blocks_pkey PRIMARY KEY (user_id, blocked_id)
);
COMMENT ON COLUMN blocks.seq IS 'Version of the user.blocked that holds.';
