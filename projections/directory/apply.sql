IF EXISTS (SELECT FROM batch WHERE type IN ('user.registered', 'user.profile_changed', 'user.blocked', 'user.unblocked', 'user.erased')) THEN
    INSERT INTO users (id, display_name, registered_at, version)
    SELECT stream, payload->>'display_name', recorded_at, version
      FROM batch
     WHERE type = 'user.registered';

    -- Of several changes of one field the last counts; an empty text is none.
    UPDATE users AS u
       SET display_name = coalesce(b.display_name, u.display_name),
           handle = CASE WHEN b.handle IS NULL THEN u.handle ELSE nullif(b.handle, '') END,
           bio = CASE WHEN b.bio IS NULL THEN u.bio ELSE nullif(b.bio, '') END,
           avatar_url = CASE WHEN b.avatar_url IS NULL THEN u.avatar_url ELSE nullif(b.avatar_url, '') END,
           version = b.version
      FROM (SELECT stream, max(version) AS version,
                   (array_agg(payload->>'display_name' ORDER BY version DESC) FILTER (WHERE payload->>'display_name' IS NOT NULL))[1] AS display_name,
                   (array_agg(payload->>'handle' ORDER BY version DESC) FILTER (WHERE payload->>'handle' IS NOT NULL))[1] AS handle,
                   (array_agg(payload->>'bio' ORDER BY version DESC) FILTER (WHERE payload->>'bio' IS NOT NULL))[1] AS bio,
                   (array_agg(payload->>'avatar_url' ORDER BY version DESC) FILTER (WHERE payload->>'avatar_url' IS NOT NULL))[1] AS avatar_url
              FROM batch
             WHERE type = 'user.profile_changed'
             GROUP BY stream) AS b
     WHERE u.id = b.stream;

    -- Of several events about one user the last says whether he is blocked.
    WITH last AS (
        SELECT DISTINCT ON (stream, payload->>'user_id')
               stream, (payload->>'user_id')::uuid AS blocked, type, version
          FROM batch
         WHERE type IN ('user.blocked', 'user.unblocked')
         ORDER BY stream, payload->>'user_id', version DESC
    ), unblocked AS (
        DELETE FROM blocks AS k
         USING last AS b
         WHERE b.type = 'user.unblocked' AND k.user_id = b.stream AND k.blocked_id = b.blocked
    )
    INSERT INTO blocks (user_id, blocked_id, seq)
    SELECT stream, blocked, version
      FROM last
     WHERE type = 'user.blocked'
        ON CONFLICT ON CONSTRAINT blocks_pkey DO UPDATE SET seq = excluded.seq;

    UPDATE users AS u
       SET display_name = '', handle = NULL, bio = NULL, avatar_url = NULL, erased_at = b.recorded_at, version = b.version
      FROM (SELECT stream, recorded_at, version FROM batch WHERE type = 'user.erased') AS b
     WHERE u.id = b.stream;

    DELETE FROM blocks AS k
     USING (SELECT stream FROM batch WHERE type = 'user.erased') AS b
     WHERE k.user_id = b.stream;
END IF;
