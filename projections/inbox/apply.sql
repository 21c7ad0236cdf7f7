-- Most batches hold nothing but messages; asking once is cheaper than looking
-- for each of the others.
IF EXISTS (SELECT FROM batch WHERE type <> 'message.sent') THEN
    INSERT INTO conversations (id, partition, kind, name, created_at, active_at, member_count, last_seq, last_ordinal)
    SELECT stream, partition, payload->>'kind', payload->>'name', recorded_at, recorded_at, 0, 0, 0
      FROM batch
     WHERE type = 'conversation.created';

    -- Before the batch, last_seq - last_ordinal events were no messages.
    INSERT INTO skips (conversation_id, seq, skipped)
    SELECT b.stream, b.version, c.last_seq - c.last_ordinal + b.nth
      FROM (SELECT stream, version, row_number() OVER (PARTITION BY stream ORDER BY version) AS nth
              FROM batch
             WHERE type <> 'message.sent') AS b
      JOIN conversations AS c ON c.id = b.stream;
END IF;

UPDATE conversations AS c
   SET last_seq = b.last_seq,
       last_ordinal = b.last_seq - (c.last_seq - c.last_ordinal + b.skipped),
       active_at = greatest(c.active_at, b.last_sent_at),
       member_count = c.member_count + b.joined
  FROM (SELECT stream,
               max(version) AS last_seq,
               count(*) FILTER (WHERE type <> 'message.sent') AS skipped,
               max(recorded_at) FILTER (WHERE type = 'message.sent') AS last_sent_at,
               count(*) FILTER (WHERE type = 'member.added') - count(*) FILTER (WHERE type = 'member.removed') AS joined
          FROM batch
         GROUP BY stream) AS b
 WHERE c.id = b.stream;

IF EXISTS (SELECT FROM batch WHERE type = 'conversation.renamed') THEN
    -- Of several changes of one text the last counts; an empty topic is none.
    UPDATE conversations AS c
       SET name = coalesce(b.name, c.name),
           topic = CASE WHEN b.topic IS NULL THEN c.topic ELSE nullif(b.topic, '') END
      FROM (SELECT stream,
                   (array_agg(payload->>'name' ORDER BY version DESC) FILTER (WHERE payload->>'name' IS NOT NULL))[1] AS name,
                   (array_agg(payload->>'topic' ORDER BY version DESC) FILTER (WHERE payload->>'topic' IS NOT NULL))[1] AS topic
              FROM batch
             WHERE type = 'conversation.renamed'
             GROUP BY stream) AS b
     WHERE c.id = b.stream;
END IF;

IF EXISTS (SELECT FROM batch WHERE type IN ('member.added', 'member.role_changed', 'member.removed')) THEN
    -- Of several events about one member only the last of its type matters here:
    -- what came before the member joined again is over.
    INSERT INTO members AS m (conversation_id, user_id, role, joined_at, joined_seq, read_seq, read_ordinal)
    SELECT DISTINCT ON (b.stream, b.user_id)
           b.stream, b.user_id, b.role, b.recorded_at, b.version, b.version, b.version - s.skipped
      FROM (SELECT stream, version, recorded_at, (payload->>'user_id')::uuid AS user_id, payload->>'role' AS role
              FROM batch
             WHERE type = 'member.added') AS b
      JOIN skips AS s ON s.conversation_id = b.stream AND s.seq = b.version
     ORDER BY b.stream, b.user_id, b.version DESC
        ON CONFLICT ON CONSTRAINT members_pkey DO UPDATE
       SET role = excluded.role,
           joined_at = excluded.joined_at,
           joined_seq = excluded.joined_seq,
           removed_seq = NULL,
           read_seq = greatest(m.read_seq, excluded.read_seq),
           read_ordinal = greatest(m.read_ordinal, excluded.read_ordinal);

    UPDATE members AS m
       SET role = b.role
      FROM (SELECT DISTINCT ON (stream, payload->>'user_id')
                   stream, version, (payload->>'user_id')::uuid AS user_id, payload->>'role' AS role
              FROM batch
             WHERE type = 'member.role_changed'
             ORDER BY stream, payload->>'user_id', version DESC) AS b
     WHERE m.conversation_id = b.stream AND m.user_id = b.user_id AND m.joined_seq < b.version;

    UPDATE members AS m
       SET removed_seq = b.version
      FROM (SELECT stream, (payload->>'user_id')::uuid AS user_id, max(version) AS version
              FROM batch
             WHERE type = 'member.removed'
             GROUP BY 1, 2) AS b
     WHERE m.conversation_id = b.stream AND m.user_id = b.user_id AND m.joined_seq < b.version;
END IF;

-- Who sends has read what was there, and the own message. Ordinals rise with
-- seq, so the greatest seq of each member is enough, in whatever order the
-- events came; a seq from the future would depend on what follows: it counts
-- as the marker's own place.
UPDATE members AS m
   SET read_seq = b.seq,
       read_ordinal = b.seq - s.skipped
  FROM (SELECT stream, actor,
               max(CASE type WHEN 'message.sent' THEN version
                             ELSE least((payload->>'seq')::bigint, version) END) AS seq
          FROM batch
         WHERE type IN ('message.sent', 'read.advanced')
         GROUP BY stream, actor) AS b
 CROSS JOIN LATERAL (
        SELECT skipped
          FROM skips
         WHERE conversation_id = b.stream AND seq <= b.seq
         ORDER BY seq DESC
         LIMIT 1) AS s
 WHERE m.conversation_id = b.stream AND m.user_id = b.actor AND m.read_seq < b.seq;

INSERT INTO mentions (conversation_id, user_id, seq, author_id)
SELECT b.stream, u::uuid, b.version, b.actor
  FROM (SELECT stream, version, actor, payload->'mentions' AS users FROM batch WHERE type = 'message.sent') AS b
 CROSS JOIN LATERAL json_array_elements_text(b.users) AS u
 WHERE b.users IS NOT NULL;

IF EXISTS (SELECT FROM batch WHERE type IN ('message.deleted', 'member.erased')) THEN
    DELETE FROM mentions AS m
     USING (SELECT stream, (payload->>'message_seq')::bigint AS seq FROM batch WHERE type = 'message.deleted') AS b
     WHERE m.conversation_id = b.stream AND m.seq = b.seq;

    DELETE FROM mentions AS m
     USING (SELECT stream, (payload->>'user_id')::uuid AS user_id FROM batch WHERE type = 'member.erased') AS b
     WHERE m.conversation_id = b.stream AND m.author_id = b.user_id;
END IF;
