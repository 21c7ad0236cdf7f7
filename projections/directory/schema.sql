-- Every user's public profile.
CREATE TABLE users (
    id            uuid        NOT NULL CONSTRAINT users_pkey PRIMARY KEY,
    display_name  text        NOT NULL,
    registered_at timestamptz NOT NULL
);
-- For the search by the beginning of a name, whatever its case. The "C"
-- collation makes a prefix a range, and gives the list one order for ever.
CREATE INDEX users_display_name ON users (lower(display_name) COLLATE "C", id);
