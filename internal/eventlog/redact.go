package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
)

const (
	// redactSpan is how many of a stream's versions are searched per query. Most
	// are other users': a span bounds a query however few events it finds.
	redactSpan = 5_000
	// redactBatch is the maximum number of payloads that one transaction
	// overwrites.
	redactBatch = 500
)

// Redactor removes what a person wrote from the log and from its mirror.
type Redactor struct {
	pool         *pgxpool.Pool
	meta         meta
	mirror       *mirror
	maxMemoryAge time.Duration
}

const readOwnSQL = `
SELECT e.position, e.version, e.type, e.schema, e.payload, e.fingerprint <> 0
  FROM log.events e
 WHERE e.stream = $1 AND e.version > $2 AND e.version <= $3 AND (e.actor = $4 OR e.stream = $4)
 ORDER BY e.version LIMIT $5`

// redaction is a payload that replaces another.
type redaction struct {
	position int64
	payload  []byte
}

// Redact overwrites what a user wrote, and their names, in the events of a
// stream, and the hashes of their requests. Call it when no event of the user
// can follow there. It returns the positions of all events that hold or held
// such data, for DeleteMirrored: including those that an earlier call, which may
// have been interrupted, has overwritten.
func (r *Redactor) Redact(ctx context.Context, stream, user domain.ID) (positions []int64, err error) {
	head, err := lookUp[int64](ctx, r.pool, `SELECT version FROM log.streams WHERE stream = $1`, stream)
	if err != nil {
		return nil, fmt.Errorf("redact %s: %w", stream, err)
	}
	for after := int64(0); after < head; {
		found, due, upTo, err := r.findPersonal(ctx, stream, user, after)
		if err == nil && len(due) > 0 {
			err = r.overwrite(ctx, r.meta.PartitionOf(stream), due)
		}
		if err != nil {
			return nil, fmt.Errorf("redact %s: %w", stream, err)
		}
		positions, after = append(positions, found...), upTo
	}
	_, err = r.pool.Exec(ctx, `
UPDATE log.receipts SET fingerprint = 0 WHERE stream = $1 AND (actor = $2 OR stream = $2) AND fingerprint <> 0`, stream, user)
	if err != nil {
		return nil, fmt.Errorf("redact receipts of %s: %w", stream, err)
	}
	return positions, nil
}

// findPersonal searches a stream after a version for a user's own events: found
// are the positions of those with personal data, due what is still to be
// overwritten of them. upTo is the version that the search reached.
func (r *Redactor) findPersonal(ctx context.Context, stream, user domain.ID, after int64) (found []int64, due []redaction, upTo int64, err error) {
	rows, _ := r.pool.Query(ctx, readOwnSQL, stream, after, after+redactSpan, user, redactBatch)
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

// overwrite replaces payloads of a partition, and counts the redaction: that
// tells all nodes that their memory is out of date.
func (r *Redactor) overwrite(ctx context.Context, partition int, due []redaction) error {
	positions, payloads := make([]int64, len(due)), make([][]byte, len(due))
	for i, d := range due {
		positions[i], payloads[i] = d.position, d.payload
	}
	return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, overwriteSQL, partition, positions, payloads); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE log.meta SET redactions = redactions + 1`)
		return err
	})
}

// AwaitForgotten waits until no node publishes to the mirror what was
// overwritten before the call: each has checked Postgres since, or publishes
// nothing from memory. It does not cover a message that takes even longer to
// reach NATS.
func (r *Redactor) AwaitForgotten(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * r.maxMemoryAge):
		return nil
	}
}
