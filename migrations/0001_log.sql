-- +goose Up
CREATE SCHEMA log;

-- The properties of the log as a whole; exactly one row.
CREATE TABLE log.meta (
    only_row   boolean PRIMARY KEY DEFAULT true CONSTRAINT meta_only_row CHECK (only_row),
    partitions smallint NOT NULL CONSTRAINT meta_partitions CHECK (partitions BETWEEN 1 AND 256),
    epoch      integer  NOT NULL CONSTRAINT meta_epoch CHECK (epoch >= 1)
);
COMMENT ON COLUMN log.meta.partitions IS 'Fixed when the log is created: a stream''s partition is a hash of its id modulo this.';
COMMENT ON COLUMN log.meta.epoch IS 'Which incarnation of the log; bumped after Postgres was restored from a backup.';

-- One row per partition. Its row lock is the partition's write lock, held from
-- the update to commit: so positions are gapless and in commit order.
CREATE TABLE log.heads (
    partition   smallint    NOT NULL CONSTRAINT heads_pkey PRIMARY KEY,
    position    bigint      NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);
COMMENT ON COLUMN log.heads.position IS 'Position of the partition''s last event.';
COMMENT ON COLUMN log.heads.recorded_at IS 'When that event was recorded; the next is never earlier, even when the clock steps back.';

-- One row per stream.
CREATE TABLE log.streams (
    stream    uuid     NOT NULL CONSTRAINT streams_pkey PRIMARY KEY,
    partition smallint NOT NULL,
    version   bigint   NOT NULL,
    guard     bigint   NOT NULL,
    position  bigint   NOT NULL,
    receipts  boolean  NOT NULL DEFAULT false
) WITH (fillfactor = 70);
COMMENT ON COLUMN log.streams.version IS 'Version of the stream''s last event.';
COMMENT ON COLUMN log.streams.guard IS 'Version of the last event that changed what is allowed. A decision made on less than this is refused.';
COMMENT ON COLUMN log.streams.position IS 'Position of the stream''s last event in its partition.';
COMMENT ON COLUMN log.streams.receipts IS 'Whether log.receipts has rows of the stream: most have none, and their appends need not look.';

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
    command_id     uuid        NOT NULL,
    ordinal        smallint    NOT NULL,
    command_size   smallint    NOT NULL DEFAULT 1,
    fingerprint    bigint      NOT NULL,
    correlation_id uuid,
    causation_id   uuid,
    payload        json        NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (partition, position),
    CONSTRAINT events_version UNIQUE (stream, version)
);
-- A command happens once: its id is unique in its stream for ever.
CREATE UNIQUE INDEX events_command ON log.events (stream, command_id) WHERE ordinal = 0;
CREATE UNIQUE INDEX events_id ON log.events (id);
-- States are loaded from these events alone, however long the stream is.
CREATE INDEX events_decisive ON log.events (stream, version) WHERE decisive;
COMMENT ON COLUMN log.events.command_id IS 'Derived from the actor and his idempotency key: one user''s key never meets another''s.';
COMMENT ON COLUMN log.events.ordinal IS 'Place of the event among those of its command, from 0.';
COMMENT ON COLUMN log.events.command_size IS 'How many events the command had; their versions follow one another.';
COMMENT ON COLUMN log.events.fingerprint IS 'Hash of the request that the command came with: the same id with another request is refused.';
COMMENT ON COLUMN log.events.payload IS 'json, not jsonb: the bytes come back as they went in, so a frame is the same whether it is made at the append or from here.';

-- Commands that succeeded without an event (the user was a member already). A
-- retry of one gets the same answer.
CREATE TABLE log.receipts (
    stream      uuid   NOT NULL,
    command_id  uuid   NOT NULL,
    fingerprint bigint NOT NULL,
    version     bigint NOT NULL,
    position    bigint NOT NULL,
    CONSTRAINT receipts_pkey PRIMARY KEY (stream, command_id)
);

-- The first version of log.append. internal/eventlog/sql/append.sql replaces it.
--
-- +goose StatementBegin
CREATE FUNCTION log.append(
    p_partitions smallint[], p_counts int[],
    s_ids uuid[], s_p_idx int[], s_known bigint[], s_counts int[], s_guard int[], s_last int[],
    e_p_idx int[], e_p_off int[], e_s_idx int[], e_s_off int[],
    e_ids uuid[], e_types text[], e_schemas smallint[], e_decisive boolean[], e_actors uuid[],
    e_command_ids uuid[], e_ordinals smallint[], e_sizes smallint[], e_fingerprints bigint[],
    e_correlations uuid[], e_causations uuid[], e_payloads json[],
    OUT bases bigint[], OUT times timestamptz[], OUT versions bigint[],
    OUT conflicts uuid[], OUT repeats boolean
)
LANGUAGE plpgsql
-- Planning costs more than the work: plan once. The tables are empty then and
-- large soon after, so only plans by index are ever right.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    violated text;
    receipts boolean;
BEGIN
    -- A nested loop over the array or over the index: ascending either way.
    WITH advanced AS (
        UPDATE log.heads h
           SET position = h.position + p.count,
               recorded_at = greatest(h.recorded_at, clock_timestamp())
          FROM unnest(p_partitions, p_counts) WITH ORDINALITY AS p (partition, count, idx)
         WHERE h.partition = p.partition
        RETURNING p.idx, h.position - p.count AS base, h.recorded_at
    )
    SELECT array_agg(a.base ORDER BY a.idx), array_agg(a.recorded_at ORDER BY a.idx)
      INTO bases, times FROM advanced a;

    BEGIN
        IF 0 = ANY (s_known) THEN
            INSERT INTO log.streams (stream, partition, version, guard, position)
            SELECT s.id, p_partitions[s.p_idx], 0, 0, 0
              FROM unnest(s_ids, s_p_idx, s_known) AS s (id, p_idx, known)
             WHERE s.known = 0
            ON CONFLICT (stream) DO NOTHING;
        END IF;

        WITH advanced AS (
            UPDATE log.streams t
               SET version = t.version + s.count,
                   guard = CASE WHEN s.guard > 0 THEN t.version + s.guard ELSE t.guard END,
                   position = bases[s.p_idx] + s.last
              FROM unnest(s_ids, s_p_idx, s_known, s_counts, s_guard, s_last) WITH ORDINALITY
                   AS s (id, p_idx, known, count, guard, last, idx)
             WHERE t.stream = s.id AND t.guard <= s.known
            RETURNING s.idx, t.version - s.count AS base, t.receipts
        )
        SELECT array_agg(a.base ORDER BY a.idx), bool_or(a.receipts) INTO versions, receipts FROM advanced a;
        IF cardinality(versions) IS DISTINCT FROM cardinality(s_ids) THEN
            RAISE EXCEPTION USING ERRCODE = 'PG001', MESSAGE = 'stale decision';
        END IF;

        INSERT INTO log.events (partition, position, stream, version, id, type, schema, decisive, recorded_at,
                                actor, command_id, ordinal, command_size, fingerprint, correlation_id, causation_id, payload)
        SELECT p_partitions[e.p_idx], bases[e.p_idx] + e.p_off, s_ids[e.s_idx], versions[e.s_idx] + e.s_off,
               e.id, e.type, e.schema, e.decisive, times[e.p_idx],
               e.actor, e.command_id, e.ordinal, e.size, e.fingerprint, e.correlation, e.causation, e.payload
          FROM unnest(e_p_idx, e_p_off, e_s_idx, e_s_off, e_ids, e_types, e_schemas, e_decisive, e_actors,
                      e_command_ids, e_ordinals, e_sizes, e_fingerprints, e_correlations, e_causations, e_payloads)
               AS e (p_idx, p_off, s_idx, s_off, id, type, schema, decisive, actor,
                     command_id, ordinal, size, fingerprint, correlation, causation, payload);

        -- A command that once succeeded without an event did happen.
        IF receipts THEN
            PERFORM FROM unnest(e_s_idx, e_command_ids) AS e (s_idx, command_id)
               JOIN log.receipts r ON r.stream = s_ids[e.s_idx] AND r.command_id = e.command_id;
            IF FOUND THEN
                RAISE unique_violation USING CONSTRAINT = 'events_command';
            END IF;
        END IF;
        repeats := false;
        RETURN;
    EXCEPTION
        WHEN unique_violation THEN
            GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
            IF violated <> 'events_command' THEN
                RAISE;
            END IF;
            repeats := true;
        WHEN SQLSTATE 'PG001' THEN
            repeats := false;
    END;

    -- Refused: what the block did is undone, the heads are put back, and the
    -- caller learns which streams moved on. It finds repeated commands itself.
    UPDATE log.heads h
       SET position = h.position - p.count
      FROM unnest(p_partitions, p_counts) AS p (partition, count)
     WHERE h.partition = p.partition;
    bases := NULL;
    SELECT coalesce(array_agg(s.id), '{}') INTO conflicts
      FROM unnest(s_ids, s_known) AS s (id, known)
      JOIN log.streams t ON t.stream = s.id AND t.guard > s.known;
END
$$;
-- +goose StatementEnd

-- The first version of log.version_at. internal/eventlog/sql/version_at.sql
-- replaces it.
--
-- +goose StatementBegin
CREATE FUNCTION log.version_at(p_stream uuid, p_position bigint) RETURNS bigint
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    newest bigint;
    newest_position bigint;
    low bigint;   -- at or before the position
    high bigint;  -- after it
    middle bigint;
    middle_position bigint;
    stride bigint := 1;
BEGIN
    SELECT s.version, s.position INTO newest, newest_position FROM log.streams s WHERE s.stream = p_stream;
    IF NOT FOUND OR newest_position <= p_position THEN
        RETURN coalesce(newest, 0);
    END IF;
    high := newest;
    low := greatest(newest - stride, 0);
    WHILE low > 0 LOOP
        SELECT e.position INTO middle_position FROM log.events e WHERE e.stream = p_stream AND e.version = low;
        EXIT WHEN middle_position <= p_position;
        high := low;
        stride := stride * 2;
        low := greatest(newest - stride, 0);
    END LOOP;
    WHILE high - low > 1 LOOP
        middle := (low + high) / 2;
        SELECT e.position INTO middle_position FROM log.events e WHERE e.stream = p_stream AND e.version = middle;
        IF middle_position <= p_position THEN
            low := middle;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP SCHEMA log CASCADE;
