-- +goose Up
CREATE SCHEMA log;

-- What is true of the log as a whole; exactly one row.
CREATE TABLE log.meta (
    only_row   boolean PRIMARY KEY DEFAULT true CONSTRAINT meta_only_row CHECK (only_row),
    partitions smallint NOT NULL CONSTRAINT meta_partitions CHECK (partitions BETWEEN 1 AND 256),
    epoch      integer  NOT NULL CONSTRAINT meta_epoch CHECK (epoch >= 1)
);
COMMENT ON COLUMN log.meta.partitions IS 'Fixed when the log is created: a stream''s partition is a hash of its id modulo this.';
COMMENT ON COLUMN log.meta.epoch IS 'Which incarnation of the log; bumped after Postgres was restored from a backup.';

-- One row a partition. Updating it is the partition's write lock, held from
-- then to commit: so positions are gapless and in commit order.
CREATE TABLE log.heads (
    partition   smallint    NOT NULL CONSTRAINT heads_pkey PRIMARY KEY,
    position    bigint      NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);
COMMENT ON COLUMN log.heads.position IS 'Position of the partition''s last event.';
COMMENT ON COLUMN log.heads.recorded_at IS 'When that event was recorded; the next is never earlier, even when the clock steps back.';

-- One row a stream.
CREATE TABLE log.streams (
    stream    uuid     NOT NULL CONSTRAINT streams_pkey PRIMARY KEY,
    partition smallint NOT NULL,
    version   bigint   NOT NULL,
    guard     bigint   NOT NULL,
    position  bigint   NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN log.streams.version IS 'Version of the stream''s last event.';
COMMENT ON COLUMN log.streams.guard IS 'Version of the last event that changed what is allowed. A decision made on less than this is refused.';
COMMENT ON COLUMN log.streams.position IS 'Position of the stream''s last event in its partition.';

CREATE TABLE log.events (
    partition      smallint    NOT NULL,
    position       bigint      NOT NULL,
    stream         uuid        NOT NULL,
    version        bigint      NOT NULL,
    id             uuid        NOT NULL,
    type           text        NOT NULL,
    schema         smallint    NOT NULL,
    decisive       boolean     NOT NULL,
    recorded_at    timestamptz NOT NULL,
    actor          uuid        NOT NULL,
    command_id     text        NOT NULL,
    ordinal        smallint    NOT NULL,
    fingerprint    bigint      NOT NULL,
    correlation_id uuid,
    causation_id   uuid,
    payload        json        NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (partition, position),
    CONSTRAINT events_version UNIQUE (stream, version)
);
-- A command happens once: its id is unique in its stream, for ever.
CREATE UNIQUE INDEX events_command ON log.events (stream, command_id) WHERE ordinal = 0;
CREATE UNIQUE INDEX events_id ON log.events (id);
-- States are loaded from these alone, however long the stream is.
CREATE INDEX events_decisive ON log.events (stream, version) WHERE decisive;
COMMENT ON COLUMN log.events.ordinal IS 'Place of the event among those of its command, from 0.';
COMMENT ON COLUMN log.events.fingerprint IS 'Hash of the request that the command came with: the same id with another request is refused.';
COMMENT ON COLUMN log.events.payload IS 'json, not jsonb: the bytes come back as they went in, so a frame is the same whether it is made at the append or from here.';

-- Commands that succeeded without an event (the user was a member already).
-- They too answer a retry as the first time.
CREATE TABLE log.receipts (
    stream      uuid   NOT NULL,
    command_id  text   NOT NULL,
    fingerprint bigint NOT NULL,
    version     bigint NOT NULL,
    position    bigint NOT NULL,
    CONSTRAINT receipts_pkey PRIMARY KEY (stream, command_id)
);

-- +goose Down
DROP SCHEMA log CASCADE;
