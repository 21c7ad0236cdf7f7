-- +goose Up
-- What decisions look up in the log in addition to a stream's state. Each index
-- holds only the events that it is for, so a sent message costs nothing.

-- A message's last edit, whether it was deleted, and its pin.
CREATE INDEX events_message ON log.events (((payload->>'message_id')::uuid), type, version)
    WHERE type IN ('message.edited', 'message.deleted', 'message.pinned', 'message.unpinned');

-- Whether a user has a reaction on a message: its last event says so.
CREATE INDEX events_reaction ON log.events (((payload->>'message_id')::uuid), actor, (payload->>'emoji'), version)
    WHERE type IN ('reaction.added', 'reaction.removed');

-- A user's read marker in a conversation.
CREATE INDEX events_read ON log.events (stream, actor, version)
    WHERE type = 'read.advanced';

-- Whether a user has blocked another.
CREATE INDEX events_block ON log.events (stream, ((payload->>'user_id')::uuid), version)
    WHERE type IN ('user.blocked', 'user.unblocked');

-- The conversations in which a user is or ever was a member.
CREATE INDEX events_joined ON log.events (((payload->>'user_id')::uuid), stream)
    WHERE type = 'member.added';

-- The user of each @handle. A handle is claimed here before the user's stream has
-- it: the primary key lets only one user claim it.
CREATE TABLE identity.handles (
    handle     text        NOT NULL CONSTRAINT handles_pkey PRIMARY KEY,
    user_id    uuid        NOT NULL CONSTRAINT handles_user REFERENCES identity.credentials ON DELETE CASCADE
);
CREATE INDEX handles_user_id ON identity.handles (user_id);
COMMENT ON COLUMN identity.handles.handle IS 'Lower-cased, without the @.';
COMMENT ON COLUMN identity.handles.user_id IS 'A user has one handle, and for the moment of a change two: the new one is claimed first, the old one let go after the event. What a crash leaves of a change goes with the next.';

-- +goose Down
DROP TABLE identity.handles;
DROP INDEX log.events_message, log.events_reaction, log.events_read, log.events_block, log.events_joined;
