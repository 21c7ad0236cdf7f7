-- The words of every message that is there to be found: not of deleted ones,
-- nor of those whose author was erased.
CREATE TABLE messages (
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL,
    author_id       uuid        NOT NULL,
    sent_at         timestamptz NOT NULL,
    words           tsvector    NOT NULL,
    CONSTRAINT messages_pkey PRIMARY KEY (conversation_id, seq)
);
COMMENT ON COLUMN messages.words IS 'Each word begins with its conversation''s scope. So the index is as good as one a conversation: who is in a few of many conversations pays for those alone, also when a word is common, or only the beginning of one.';
-- The words of a conversation are together in it, so there is little to gain
-- from putting new ones off, and a search would have to read those one by one.
CREATE INDEX messages_words ON messages USING gin (words) WITH (fastupdate = off);

-- What all words of a conversation begin with. Two conversations may share it:
-- a search looks at the conversation too.
CREATE FUNCTION scope(conversation_id uuid) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN right(conversation_id::text, 6);

-- The words of a text, lower-cased. ASCII signs only separate words: Postgres's
-- parser would take an address or a path for one word, found by all of it alone.
--
-- Scripts that put no spaces between words (and emoji) have no words that
-- could be told here. Of them, each character is indexed together with the one
-- behind it, if there is one, at its own place: so any sequence of such
-- characters is found, of whatever length, a single one as a prefix. Trigrams
-- would find nothing shorter than three characters, and most words of Chinese
-- have two.
--
-- readapi tells queries apart in the same way, and a test holds the two together.
CREATE FUNCTION words(scope text, body text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    spaced text := regexp_replace(body, '[!-/:-@\[-`{-~]', ' ', 'g');
    pairs  text := '';
BEGIN
    IF octet_length(body) > length(body) THEN
        DECLARE
            signs    CONSTANT text := '[\u0080-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u055A-\u055F\u0589\u05BE\u060C\u061B\u061F\u066A-\u066D\u06D4\u0964\u0965\u180B-\u180F\u2000-\u206F\u20A0-\u20CF\u2190-\u23FF\u249C-\u24E9\u2500-\u25FF\u27C0-\u2BFF\u2E00-\u2E2E\u2E30-\u2E7F\u3000-\u3004\u3008-\u3020\u3030\u30FB\uFE00-\uFE1F\uFE30-\uFE6F\uFEFF\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65]';
            unspaced CONSTANT text := '[\u0E00-\u0FFF\u1000-\u109F\u1100-\u11FF\u1780-\u17FF\u2600-\u27BF\u2E80-\u2FDF\u3005-\u3007\u3031-\u3035\u3041-\u3096\u3099-\u309F\u30A1-\u30FA\u30FC-\u318F\u31A0-\u31BF\u31F0-\u31FF\u3400-\u4DBF\u4E00-\u9FFF\uA960-\uA97F\uAC00-\uD7FF\uF900-\uFAFF\uFF66-\uFF9F\U0001F000-\U0001FAFF\U00020000-\U0003FFFF]';
        BEGIN
            spaced := regexp_replace(spaced, signs, ' ', 'g');
            IF spaced ~ unspaced THEN
                SELECT string_agg(scope || c || CASE WHEN next ~ unspaced THEN next ELSE '' END || ':' || place, ' ')
                  INTO pairs
                  FROM (SELECT c, lead(c, 1, '') OVER (ORDER BY place) AS next, place
                          FROM string_to_table(spaced, NULL) WITH ORDINALITY AS s (c, place)) AS s
                 WHERE c ~ unspaced;
                spaced := regexp_replace(spaced, unspaced || '+', ' ', 'g');
            END IF;
        END;
    END IF;
    IF octet_length(spaced) >= 100 THEN
        -- Nobody looks for these, and Postgres takes no words of over 2 KB.
        spaced := regexp_replace(spaced, '\S{100,}', ' ', 'g');
    END IF;
    -- No word has a quote in it by now, so each begins after a space and a quote.
    spaced := replace(' ' || to_tsvector('simple', spaced)::text, ' ''', ' ''' || scope);
    RETURN CASE pairs WHEN '' THEN spaced::tsvector ELSE spaced::tsvector || pairs::tsvector END;
END
$$;
