package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
)

const (
	// redactSpan is how many of a stream's versions are looked through at a
	// time. Most are others': a span bounds one query, however few are found.
	redactSpan = 5_000
	// redactBatch is the most payloads that one transaction overwrites.
	redactBatch = 500
)

const readOwnSQL = `
SELECT e.position, e.version, e.type, e.schema, e.payload, e.fingerprint <> 0
  FROM log.events e
 WHERE e.stream = $1 AND e.version > $2 AND e.version <= $3 AND (e.actor = $4 OR e.stream = $4)
 ORDER BY e.version LIMIT $5`

// redaction is a payload to be put in the place of another.
type redaction struct {
	position int64
	payload  []byte
}

// Redact overwrites what a user wrote or is called by in the events of a
// stream, and the hashes of it. Call it when nothing of the user can follow
// there. It returns the positions of all events that hold or held such things,
// for DeleteMirrored: also those that an earlier call, which may have been cut short,
// has overwritten.
func (l *Log) Redact(ctx context.Context, stream, user domain.ID) (positions []int64, err error) {
	head, err := lookUp[int64](ctx, l, `SELECT version FROM log.streams WHERE stream = $1`, pgUUID(stream))
	if err != nil {
		return nil, fmt.Errorf("redact %s: %w", stream, err)
	}
	for after := int64(0); after < head; {
		found, due, upTo, err := l.findPersonal(ctx, stream, user, after)
		if err == nil && len(due) > 0 {
			err = l.overwrite(ctx, l.PartitionOf(stream), due)
		}
		if err != nil {
			return nil, fmt.Errorf("redact %s: %w", stream, err)
		}
		positions, after = append(positions, found...), upTo
	}
	_, err = l.pool.Exec(ctx, `
UPDATE log.receipts SET fingerprint = 0 WHERE stream = $1 AND (actor = $2 OR stream = $2) AND fingerprint <> 0`, pgUUID(stream), pgUUID(user))
	if err != nil {
		return nil, fmt.Errorf("redact receipts of %s: %w", stream, err)
	}
	return positions, nil
}

// findPersonal looks through a stream after a version for events that are a
// user's own: found are the positions of those with anything personal, due what
// is still to be overwritten of them. upTo is how far it came.
func (l *Log) findPersonal(ctx context.Context, stream, user domain.ID, after int64) (found []int64, due []redaction, upTo int64, err error) {
	rows, _ := l.pool.Query(ctx, readOwnSQL, pgUUID(stream), after, after+redactSpan, pgUUID(user), redactBatch)
	var position, version int64
	var typ string
	var schema, seen int
	var payload []byte
	var fingerprint bool
	_, err = pgx.ForEachRow(rows, []any{&position, &version, &typ, &schema, &payload, &fingerprint}, func() error {
		seen++
		upTo = version
		e, err := domain.DecodeEvent(typ, schema, payload)
		if err != nil {
			return fmt.Errorf("version %d: %w", version, err)
		}
		redacted, personal := domain.Redact(e)
		if !personal {
			return nil
		}
		found = append(found, position)
		if blank := encodePayload(redacted); fingerprint || string(blank) != string(payload) {
			due = append(due, redaction{position, blank})
		}
		return nil
	})
	if seen < redactBatch {
		upTo = after + redactSpan
	}
	return found, due, upTo, err
}

const overwriteSQL = `
UPDATE log.events e SET payload = r.payload, fingerprint = 0
  FROM unnest($2::bigint[], $3::json[]) AS r (position, payload)
 WHERE e.partition = $1 AND e.position = r.position`

// overwrite puts other payloads into a partition, and lets all nodes know that
// what they hold in memory is out of date.
func (l *Log) overwrite(ctx context.Context, partition int, due []redaction) error {
	positions, payloads := make([]int64, len(due)), make([][]byte, len(due))
	for i, r := range due {
		positions[i], payloads[i] = r.position, r.payload
	}
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, overwriteSQL, partition, positions, payloads); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE log.meta SET redactions = redactions + 1`)
		return err
	})
}

// AwaitForgotten waits until no node publishes to the mirror what was overwritten
// before the call: each has looked at Postgres since, or publishes nothing from
// memory. What is on its way even then is very late.
func (l *Log) AwaitForgotten(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * l.cfg.MaxMemoryAge):
		return nil
	}
}
