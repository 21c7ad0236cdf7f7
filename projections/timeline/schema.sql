-- Every message of every conversation.
CREATE TABLE messages (
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL,
    id              uuid        NOT NULL,
    author_id       uuid        NOT NULL,
    sent_at         timestamptz NOT NULL,
    reply_to        uuid,
    body            text        NOT NULL,
    CONSTRAINT messages_pkey PRIMARY KEY (conversation_id, seq)
);
COMMENT ON COLUMN messages.seq IS 'The version of the message''s event in its conversation.';
COMMENT ON COLUMN messages.id IS 'The id of the event too. There is no index: log.events finds a message''s conversation and seq by it.';
