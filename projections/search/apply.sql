INSERT INTO messages (conversation_id, seq, author_id, sent_at, words)
SELECT stream, version, actor, recorded_at, words(scope(stream), payload->>'body')
  FROM batch
 WHERE type = 'message.sent';

-- Most batches hold nothing of these; asking once is cheaper than looking for
-- each.
IF EXISTS (SELECT FROM batch WHERE type IN ('message.edited', 'message.deleted', 'member.erased')) THEN
    -- The last edit counts. A message that is gone stays so: there is no row to
    -- change, and what is edited and deleted in one batch is deleted below.
    -- A body that was blanked leaves a row without words, and not none: another
    -- event of the message may still have its text, until member.erased comes.
    UPDATE messages AS m
       SET words = words(scope(b.stream), b.body)
      FROM (SELECT DISTINCT ON (stream, (payload->>'message_seq')::bigint)
                   stream, (payload->>'message_seq')::bigint AS seq, payload->>'body' AS body
              FROM batch
             WHERE type = 'message.edited'
             ORDER BY stream, (payload->>'message_seq')::bigint, version DESC) AS b
     WHERE m.conversation_id = b.stream AND m.seq = b.seq;

    DELETE FROM messages AS m
     USING (SELECT stream, (payload->>'message_seq')::bigint AS seq FROM batch WHERE type = 'message.deleted') AS b
     WHERE m.conversation_id = b.stream AND m.seq = b.seq;

    -- This reads all of the conversation. It is rare, and an index by author
    -- would be written with every message.
    DELETE FROM messages AS m
     USING (SELECT stream, version, (payload->>'user_id')::uuid AS user_id FROM batch WHERE type = 'member.erased') AS b
     WHERE m.conversation_id = b.stream AND m.seq < b.version AND m.author_id = b.user_id;
END IF;
