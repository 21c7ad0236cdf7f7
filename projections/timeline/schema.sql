-- Every message of every conversation, as it is now.
CREATE TABLE messages (
    conversation_id uuid        NOT NULL,
    seq             bigint      NOT NULL,
    id              uuid        NOT NULL,
    author_id       uuid        NOT NULL,
    sent_at         timestamptz NOT NULL,
    reply_to        uuid,
    body            text        NOT NULL,
    mentions        uuid[],
    edited_at       timestamptz,
    deleted_at      timestamptz,
    pinned_seq      bigint,
    reacted         boolean     NOT NULL DEFAULT false,
    CONSTRAINT messages_pkey PRIMARY KEY (conversation_id, seq)
);
CREATE INDEX messages_pinned ON messages (conversation_id, pinned_seq) WHERE pinned_seq IS NOT NULL;
COMMENT ON COLUMN messages.seq IS 'The version of the message''s event in its conversation.';
COMMENT ON COLUMN messages.id IS 'The id of the event too. There is no index: log.events finds a message''s conversation and seq by it.';
COMMENT ON COLUMN messages.mentions IS 'The members that the message mentioned when it was sent; null for nobody.';
COMMENT ON COLUMN messages.deleted_at IS 'Set for a tombstone, whose body is empty: the message was deleted, or its author erased.';
COMMENT ON COLUMN messages.pinned_seq IS 'Version of the message.pinned that holds; null while the message is not pinned.';
COMMENT ON COLUMN messages.reacted IS 'Whether there ever was a reaction: most messages have none, and their readers need not look.';

-- Who has which reaction on which message.
CREATE TABLE reactions (
    conversation_id uuid   NOT NULL,
    seq             bigint NOT NULL,
    emoji           text   NOT NULL COLLATE "C",
    user_id         uuid   NOT NULL,
    CONSTRAINT reactions_pkey PRIMARY KEY (conversation_id, seq, emoji, user_id)
);
COMMENT ON COLUMN reactions.seq IS 'Of the message.';

-- How many have which: thousands may, and every reader of the message asks.
CREATE TABLE reaction_counts (
    conversation_id uuid    NOT NULL,
    seq             bigint  NOT NULL,
    emoji           text    NOT NULL COLLATE "C",
    count           integer NOT NULL,
    CONSTRAINT reaction_counts_pkey PRIMARY KEY (conversation_id, seq, emoji)
);
COMMENT ON COLUMN reaction_counts.count IS 'Rows of reactions; there is no row for none.';
