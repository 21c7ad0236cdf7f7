INSERT INTO messages (conversation_id, seq, id, author_id, sent_at, reply_to, body)
SELECT stream, version, id, actor, recorded_at, (payload->>'reply_to')::uuid, payload->>'body'
  FROM batch
 WHERE type = 'message.sent';
