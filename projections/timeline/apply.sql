INSERT INTO messages (conversation_id, seq, id, author_id, sent_at, reply_to, body, mentions)
SELECT stream, version, id, actor, recorded_at, (payload->>'reply_to')::uuid, payload->>'body',
       (SELECT array_agg(m::uuid) FROM json_array_elements_text(payload->'mentions') AS m)
  FROM batch
 WHERE type = 'message.sent';

-- Most batches hold nothing else that matters here.
IF EXISTS (SELECT FROM batch
            WHERE type IN ('message.edited', 'message.deleted', 'message.pinned', 'message.unpinned',
                           'reaction.added', 'reaction.removed', 'member.erased')) THEN

    -- A deletion wins over whatever else is said of a message, also later: two
    -- nodes may have decided at the same moment. So everything before it passes
    -- over tombstones, and it undoes everything.
    UPDATE messages AS m
       SET body = b.body, edited_at = b.recorded_at
      FROM (SELECT DISTINCT ON (stream, payload->>'message_seq')
                   stream, (payload->>'message_seq')::bigint AS seq, payload->>'body' AS body, recorded_at
              FROM batch
             WHERE type = 'message.edited'
             ORDER BY stream, payload->>'message_seq', version DESC) AS b
     WHERE m.conversation_id = b.stream AND m.seq = b.seq AND m.deleted_at IS NULL;

    UPDATE messages AS m
       SET pinned_seq = CASE b.type WHEN 'message.pinned' THEN b.version END
      FROM (SELECT DISTINCT ON (stream, payload->>'message_seq')
                   stream, (payload->>'message_seq')::bigint AS seq, type, version
              FROM batch
             WHERE type IN ('message.pinned', 'message.unpinned')
             ORDER BY stream, payload->>'message_seq', version DESC) AS b
     WHERE m.conversation_id = b.stream AND m.seq = b.seq AND m.deleted_at IS NULL;

    UPDATE messages AS m
       SET reacted = true
      FROM (SELECT DISTINCT stream, (payload->>'message_seq')::bigint AS seq
              FROM batch
             WHERE type = 'reaction.added') AS b
     WHERE m.conversation_id = b.stream AND m.seq = b.seq AND m.deleted_at IS NULL AND NOT m.reacted;

    -- Of several events about one reaction the last says whether it is there.
    WITH last AS (
        SELECT DISTINCT ON (stream, payload->>'message_seq', actor, payload->>'emoji')
               stream, (payload->>'message_seq')::bigint AS seq, actor, payload->>'emoji' AS emoji, type
          FROM batch
         WHERE type IN ('reaction.added', 'reaction.removed')
         ORDER BY stream, payload->>'message_seq', actor, payload->>'emoji', version DESC
    ), removed AS (
        DELETE FROM reactions AS r
         USING last AS b
         WHERE b.type = 'reaction.removed'
           AND r.conversation_id = b.stream AND r.seq = b.seq AND r.emoji = b.emoji COLLATE "C" AND r.user_id = b.actor
        RETURNING r.conversation_id, r.seq, r.emoji
    ), added AS (
        INSERT INTO reactions (conversation_id, seq, emoji, user_id)
        SELECT b.stream, b.seq, b.emoji, b.actor
          FROM last AS b
          JOIN messages AS m ON m.conversation_id = b.stream AND m.seq = b.seq AND m.deleted_at IS NULL
         WHERE b.type = 'reaction.added'
            ON CONFLICT DO NOTHING
        RETURNING conversation_id, seq, emoji
    )
    INSERT INTO reaction_counts AS c (conversation_id, seq, emoji, count)
    SELECT conversation_id, seq, emoji, sum(change)
      FROM (SELECT *, 1 AS change FROM added UNION ALL SELECT *, -1 FROM removed) AS changes
     GROUP BY conversation_id, seq, emoji
    HAVING sum(change) <> 0
        ON CONFLICT ON CONSTRAINT reaction_counts_pkey DO UPDATE SET count = c.count + excluded.count;

    DELETE FROM reaction_counts AS c
     USING (SELECT DISTINCT stream, (payload->>'message_seq')::bigint AS seq FROM batch WHERE type = 'reaction.removed') AS b
     WHERE c.conversation_id = b.stream AND c.seq = b.seq AND c.count = 0;

    -- The first deletion counts.
    UPDATE messages AS m
       SET body = '', mentions = NULL, edited_at = NULL, pinned_seq = NULL, reacted = false, deleted_at = b.recorded_at
      FROM (SELECT DISTINCT ON (stream, payload->>'message_seq')
                   stream, (payload->>'message_seq')::bigint AS seq, recorded_at
              FROM batch
             WHERE type = 'message.deleted'
             ORDER BY stream, payload->>'message_seq', version) AS b
     WHERE m.conversation_id = b.stream AND m.seq = b.seq AND m.deleted_at IS NULL;

    DELETE FROM reactions AS r
     USING (SELECT stream, (payload->>'message_seq')::bigint AS seq FROM batch WHERE type = 'message.deleted') AS b
     WHERE r.conversation_id = b.stream AND r.seq = b.seq;

    DELETE FROM reaction_counts AS c
     USING (SELECT stream, (payload->>'message_seq')::bigint AS seq FROM batch WHERE type = 'message.deleted') AS b
     WHERE c.conversation_id = b.stream AND c.seq = b.seq;

    -- All that an erased person wrote comes before this event; a deletion of it
    -- may come after.
    UPDATE messages AS m
       SET body = '', mentions = NULL, edited_at = NULL, pinned_seq = NULL, reacted = false, deleted_at = b.recorded_at
      FROM (SELECT stream, version, recorded_at, (payload->>'user_id')::uuid AS user_id
              FROM batch
             WHERE type = 'member.erased') AS b
     WHERE m.conversation_id = b.stream AND m.author_id = b.user_id
       AND (m.deleted_at IS NULL OR m.deleted_at > b.recorded_at);

    DELETE FROM reactions AS r
     USING (SELECT stream, (payload->>'user_id')::uuid AS user_id FROM batch WHERE type = 'member.erased') AS b,
           messages AS m
     WHERE m.conversation_id = b.stream AND m.author_id = b.user_id
       AND r.conversation_id = m.conversation_id AND r.seq = m.seq;

    DELETE FROM reaction_counts AS c
     USING (SELECT stream, (payload->>'user_id')::uuid AS user_id FROM batch WHERE type = 'member.erased') AS b,
           messages AS m
     WHERE m.conversation_id = b.stream AND m.author_id = b.user_id
       AND c.conversation_id = m.conversation_id AND c.seq = m.seq;
END IF;
