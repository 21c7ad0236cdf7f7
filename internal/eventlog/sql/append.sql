-- log.append appends the events of many commands, all or none, and returns their
-- positions; or it appends nothing and returns why not. The caller runs it as a
-- transaction of its own, so the locks below are held from here to commit with
-- no round trip in between.
--
-- The partitions must be in ascending order: every writer locks heads in that
-- order, so writers wait for each other but never in a circle. Under a head's
-- lock no other transaction writes to the partition's streams, and READ COMMITTED
-- shows each statement all that was committed before: no write can come between
-- the checks below and the commit.
--
-- p_*: the partitions, ascending, and how many events each gets.
-- s_*: the streams. known is the version that the decisions were made on; last
--      is the ordinal of the stream's last event in its partition's share; guard
--      is the ordinal of its last decisive event among its own (0: none).
-- e_*: the events. *_idx are indexes of the arrays above, *_off are ordinals;
--      both count from 1.
--
-- Nodes of the version before call it too: see functions.go on changing it.
CREATE OR REPLACE FUNCTION log.append(
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
-- Planning costs more than the work: plan once. At that time the tables are empty,
-- and they are large soon after, so only plans by index are ever right.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    violated text;
    receipts boolean;
BEGIN
    -- A nested loop over the array or over the index: both are ascending.
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

        -- A command with a receipt happened before, without an event.
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

    -- Refused: Postgres has undone the block, the heads are set back here, and the
    -- caller learns the streams whose guards moved on. It finds repeated commands
    -- itself.
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
