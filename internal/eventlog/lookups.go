package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
)

// Lookups answer what decisions need to know of the past beyond a stream's
// state. Each is a few probes of an index that holds only such events, so its
// cost does not grow with the conversation.
type Lookups struct {
	pool *pgxpool.Pool
}

const readMessageSQL = `
SELECT e.version, e.actor, coalesce(edited.body, e.payload->>'body'), deleted.version IS NOT NULL, coalesce(pinned.version > unpinned.version, pinned.version IS NOT NULL)
  FROM log.events e
  LEFT JOIN LATERAL (
        SELECT payload->>'body' AS body FROM log.events
         WHERE type = 'message.edited' AND (payload->>'message_id')::uuid = e.id ORDER BY version DESC LIMIT 1) AS edited ON true
  LEFT JOIN LATERAL (
        SELECT version FROM log.events
         WHERE type = 'message.deleted' AND (payload->>'message_id')::uuid = e.id ORDER BY version DESC LIMIT 1) AS deleted ON true
  LEFT JOIN LATERAL (
        SELECT version FROM log.events
         WHERE type = 'message.pinned' AND (payload->>'message_id')::uuid = e.id ORDER BY version DESC LIMIT 1) AS pinned ON true
  LEFT JOIN LATERAL (
        SELECT version FROM log.events
         WHERE type = 'message.unpinned' AND (payload->>'message_id')::uuid = e.id ORDER BY version DESC LIMIT 1) AS unpinned ON true
 WHERE e.id = $1 AND e.stream = $2 AND e.type = 'message.sent'`

// Message returns what the log knows of a message of a conversation; the zero
// Message when the conversation has none with that id.
func (l *Lookups) Message(ctx context.Context, conversation, id domain.ID) (m domain.Message, err error) {
	err = l.pool.QueryRow(ctx, readMessageSQL, id, conversation).
		Scan(&m.MessageSeq, &m.Author, &m.Body, &m.Deleted, &m.Pinned)
	if errors.Is(err, pgx.ErrNoRows) {
		return domain.Message{}, nil
	}
	if err != nil {
		return domain.Message{}, fmt.Errorf("read message %s: %w", id, err)
	}
	m.MessageID = id
	return m, nil
}

// The number of a user's reactions is counted from all reaction events of the
// user on the message, up to a bound: beyond it the bound is the answer.
const readReactionsSQL = `
SELECT coalesce((SELECT e.type = 'reaction.added' FROM log.events e
                  WHERE e.type IN ('reaction.added', 'reaction.removed')
                    AND (e.payload->>'message_id')::uuid = $1 AND e.actor = $2 AND e.payload->>'emoji' = $3
                  ORDER BY e.version DESC LIMIT 1), false),
       CASE WHEN max(total) = $4 THEN $4 ELSE count(*) FILTER (WHERE added) END
  FROM (SELECT DISTINCT ON (emoji) type = 'reaction.added' AS added, count(*) OVER () AS total
          FROM (SELECT payload->>'emoji' AS emoji, type, version FROM log.events
                 WHERE type IN ('reaction.added', 'reaction.removed') AND (payload->>'message_id')::uuid = $1 AND actor = $2
                 LIMIT $4) AS said
         ORDER BY emoji, version DESC) AS last`

// Reactions reports whether a user has a reaction on a message, and how many
// reactions they have there: 500 when they changed them that often.
func (l *Lookups) Reactions(ctx context.Context, message, user domain.ID, emoji string) (is bool, mine int, err error) {
	const maxEvents = 500
	err = l.pool.QueryRow(ctx, readReactionsSQL, message, user, emoji, int64(maxEvents)).Scan(&is, &mine)
	if err != nil {
		return false, 0, fmt.Errorf("read reactions on %s: %w", message, err)
	}
	return is, mine, nil
}

const readMarkerSQL = `
SELECT (payload->>'seq')::bigint FROM log.events
 WHERE type = 'read.advanced' AND stream = $1 AND actor = $2
 ORDER BY version DESC LIMIT 1`

// ReadMarker returns the seq up to which a user last marked a conversation as
// read; 0 when they never did.
func (l *Lookups) ReadMarker(ctx context.Context, conversation, user domain.ID) (int64, error) {
	seq, err := lookUp[int64](ctx, l.pool, readMarkerSQL, conversation, user)
	if err != nil {
		return 0, fmt.Errorf("read marker in %s: %w", conversation, err)
	}
	return seq, nil
}

const readBlockSQL = `
SELECT coalesce(bool_or(type = 'user.blocked'), false)
  FROM (VALUES ($1::uuid, $2::uuid), ($2, $1)) AS pair (by, of)
 CROSS JOIN LATERAL (
       SELECT type FROM log.events
        WHERE type IN ('user.blocked', 'user.unblocked') AND stream = pair.by AND (payload->>'user_id')::uuid = pair.of
        ORDER BY version DESC LIMIT 1) AS last`

// Blocked reports whether one of two users has blocked the other.
func (l *Lookups) Blocked(ctx context.Context, a, b domain.ID) (bool, error) {
	is, err := lookUp[bool](ctx, l.pool, readBlockSQL, a, b)
	if err != nil {
		return false, fmt.Errorf("read block of %s and %s: %w", a, b, err)
	}
	return is, nil
}

const readBlockedBySQL = `
SELECT stream, blocked
  FROM (SELECT DISTINCT ON (stream, payload->>'user_id') stream, (payload->>'user_id')::uuid AS blocked, type
          FROM log.events
         WHERE type IN ('user.blocked', 'user.unblocked') AND stream = ANY($1)
         ORDER BY stream, payload->>'user_id', version DESC) AS last
 WHERE type = 'user.blocked'`

// BlockedBy returns the users that each of some users has blocked, without an
// entry for those who have blocked nobody.
func (l *Lookups) BlockedBy(ctx context.Context, users ...domain.ID) (map[domain.ID][]domain.ID, error) {
	rows, _ := l.pool.Query(ctx, readBlockedBySQL, users)
	blocked := map[domain.ID][]domain.ID{}
	var by, user domain.ID
	_, err := pgx.ForEachRow(rows, []any{&by, &user}, func() error {
		blocked[by] = append(blocked[by], user)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read block lists: %w", err)
	}
	return blocked, nil
}

const readJoinedSQL = `
SELECT DISTINCT stream FROM log.events
 WHERE type = 'member.added' AND (payload->>'user_id')::uuid = $1 AND stream > $2
 ORDER BY stream LIMIT $3`

// JoinedConversations returns up to limit conversations with ids above after, in the order
// of their ids, in which a user is or ever was a member.
func (l *Lookups) JoinedConversations(ctx context.Context, user, after domain.ID, limit int) ([]domain.ID, error) {
	rows, _ := l.pool.Query(ctx, readJoinedSQL, user, after, limit)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[domain.ID])
	if err != nil {
		return nil, fmt.Errorf("read conversations of %s: %w", user, err)
	}
	return ids, nil
}

// lookUp reads one value; the zero value when there is none.
func lookUp[T any](ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) (value T, err error) {
	err = pool.QueryRow(ctx, sql, args...).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return value, err
}
