-- Conversations as their members list them, and who has read how far.
--
-- What is unread is counted in messages, while clients name a place by its
-- seq, which counts every event. A message's ordinal says that it is the
-- conversation's 1st, 2nd, 3rd… message; a member's unread count is the last
-- ordinal minus the one read, so there is no counter that could drift.
CREATE TABLE conversations (
    id            uuid        NOT NULL CONSTRAINT conversations_pkey PRIMARY KEY,
    partition     smallint    NOT NULL,
    kind          text        NOT NULL,
    name          text,
    topic         text,
    created_at    timestamptz NOT NULL,
    active_at     timestamptz NOT NULL,
    member_count  integer     NOT NULL,
    last_seq      bigint      NOT NULL,
    last_ordinal  bigint      NOT NULL
) WITH (fillfactor = 50);
COMMENT ON COLUMN conversations.partition IS 'The log''s partition with the conversation''s events.';
COMMENT ON COLUMN conversations.active_at IS 'When the last message was sent, or else when the conversation was created.';
COMMENT ON COLUMN conversations.last_seq IS 'Version of the last event, of any type.';
COMMENT ON COLUMN conversations.last_ordinal IS 'How many messages there are.';

-- The events that are no messages, and how many there are up to each: a seq's
-- ordinal is the seq minus that number. So a message costs nothing here.
CREATE TABLE skips (
    conversation_id uuid   NOT NULL,
    seq             bigint NOT NULL,
    skipped         bigint NOT NULL,
    CONSTRAINT skips_pkey PRIMARY KEY (conversation_id, seq)
);

-- Members and former members.
CREATE TABLE members (
    conversation_id uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    role            text        NOT NULL,
    joined_at       timestamptz NOT NULL,
    joined_seq      bigint      NOT NULL,
    removed_seq     bigint,
    read_seq        bigint      NOT NULL,
    read_ordinal    bigint      NOT NULL,
    CONSTRAINT members_pkey PRIMARY KEY (conversation_id, user_id)
) WITH (fillfactor = 70);
CREATE INDEX members_user ON members (user_id);
COMMENT ON COLUMN members.joined_seq IS 'Version of the member.added that made the user a member the last time.';
COMMENT ON COLUMN members.removed_seq IS 'Version of the member.removed since then; null while the user is a member.';
COMMENT ON COLUMN members.read_seq IS 'All up to this version counts as read: what the user marked or sent last, or what there was when joining.';
COMMENT ON COLUMN members.read_ordinal IS 'The same place, counted in messages.';

-- Who is mentioned by which message. What is unread of them is beyond the
-- member's read_seq.
CREATE TABLE mentions (
    conversation_id uuid   NOT NULL,
    user_id         uuid   NOT NULL,
    seq             bigint NOT NULL,
    author_id       uuid   NOT NULL,
    CONSTRAINT mentions_pkey PRIMARY KEY (conversation_id, user_id, seq)
);
CREATE UNIQUE INDEX mentions_seq ON mentions (conversation_id, seq, user_id);
COMMENT ON COLUMN mentions.seq IS 'Of the message. A message that is deleted mentions nobody.';
