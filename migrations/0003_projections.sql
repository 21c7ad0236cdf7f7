-- +goose Up
-- What the projection runner stores about projections. Each read model is in a
-- schema of its own, made from its schema.sql.
CREATE SCHEMA projections;

-- One row per projection that has tables here.
CREATE TABLE projections.installed (
    projection   text        NOT NULL CONSTRAINT installed_pkey PRIMARY KEY,
    fingerprint  text        NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN projections.installed.fingerprint IS 'SHA-256 of the schema.sql and apply.sql that the tables were built with.';

-- The checkpoint of each projection and partition. Rows change with every batch:
-- pages are left nearly empty, so that each new row version fits on the page of
-- the old one.
CREATE TABLE projections.checkpoints (
    projection text     NOT NULL,
    partition  smallint NOT NULL,
    position   bigint   NOT NULL,
    CONSTRAINT checkpoints_pkey PRIMARY KEY (projection, partition)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON COLUMN projections.checkpoints.projection IS 'The Postgres schema with the tables: the projection''s name, or that of a rebuild under way.';
COMMENT ON COLUMN projections.checkpoints.position IS 'All events of the partition up to this one are in the tables, or parked.';

-- Events that a projection could not apply and skipped.
CREATE TABLE projections.parked (
    projection text        NOT NULL,
    partition  smallint    NOT NULL,
    position   bigint      NOT NULL,
    event_id   uuid        NOT NULL,
    error      text        NOT NULL,
    parked_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT parked_pkey PRIMARY KEY (projection, partition, position)
);
COMMENT ON COLUMN projections.parked.error IS 'What Postgres said, without values: they may be what a person wrote.';

-- +goose Down
DROP SCHEMA projections CASCADE;
