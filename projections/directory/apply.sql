INSERT INTO users (id, display_name, registered_at)
SELECT stream, payload->>'display_name', recorded_at
  FROM batch
 WHERE type = 'user.registered';
