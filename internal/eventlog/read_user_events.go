package eventlog

import (
	"context"
	"fmt"

	"ping/domain"
)

// A stream's versions are searched in spans, so that one query is bounded
// however few events it finds.
const readUserEventsSQL = `
SELECT ` + eventColumns + `
  FROM log.events e
 WHERE e.stream = $1 AND e.version > $2 AND e.version <= $3
   AND CASE WHEN e.type LIKE 'conversation.%' THEN e.version <= $6
            WHEN e.actor = $4 OR e.stream = $4 THEN true
            WHEN e.type LIKE 'member.%' THEN (e.payload->>'user_id')::uuid = $4 END
 ORDER BY e.version LIMIT $5`

// The version up to which a user may know a conversation's name: that of the
// event that ended their membership, if their last membership ended.
const readLeftSQL = `
SELECT CASE WHEN e.type = 'member.added' THEN 9223372036854775807 ELSE e.version END
  FROM log.events e
 WHERE e.stream = $1 AND e.decisive AND e.type IN ('member.added', 'member.removed') AND (e.payload->>'user_id')::uuid = $2
 ORDER BY e.version DESC LIMIT 1`

// ReadUserEvents returns events of a stream, oldest first: those that a user
// caused, those about their own membership, and those that name the
// conversation, as far as the user was a member to see them.
// It searches the versions after the given one and returns up to which; 0 when
// the stream has no more.
func (r *Reader) ReadUserEvents(ctx context.Context, stream, user domain.ID, after int64, limit int) (events []*Event, upTo int64, err error) {
	const span = 5_000
	head, err := lookUp[int64](ctx, r.pool, `SELECT version FROM log.streams WHERE stream = $1`, stream)
	var left int64
	if err == nil {
		left, err = lookUp[int64](ctx, r.pool, readLeftSQL, stream, user)
	}
	if err == nil {
		events, err = r.query(ctx, readUserEventsSQL, stream, after, after+span, user, limit, left)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read a user's events in %s: %w", stream, err)
	}
	switch {
	case len(events) == limit:
		upTo = events[limit-1].Version
	default:
		upTo = after + span
	}
	if upTo >= head {
		upTo = 0
	}
	return events, upTo, nil
}
