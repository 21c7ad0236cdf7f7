package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
)

// ErrNotFound: the log holds no such event.
var ErrNotFound = errors.New("no such event")

// Reader reads events from Postgres.
type Reader struct {
	pool *pgxpool.Pool
	meta meta
}

// eventColumns are the columns that make an Event, in the order of
// eventRow.targets; the table or its alias is e.
const eventColumns = `e.partition, e.position, e.stream, e.version, e.id, e.type, e.schema, e.recorded_at,
       e.actor, e.command_id, e.correlation_id, e.causation_id, e.payload`

// eventRow is a row of log.events that is to become an Event.
type eventRow struct {
	partition              int
	position               int64
	stream                 domain.ID
	version                int64
	id                     domain.ID
	typ                    string
	schema                 int
	recordedAt             time.Time
	actor                  domain.ID
	commandID              domain.ID
	correlation, causation *domain.ID
	payload                []byte
}

func (r *eventRow) targets() []any {
	return []any{&r.partition, &r.position, &r.stream, &r.version, &r.id, &r.typ, &r.schema, &r.recordedAt,
		&r.actor, &r.commandID, &r.correlation, &r.causation, &r.payload}
}

// event makes the Event of a row. It encodes to the same frame as when it was
// appended: payloads are stored as bytes, times to the microsecond.
func (r *eventRow) event(epoch int) *Event {
	e := &Event{
		ID: r.id, Type: r.typ, Schema: r.schema, Stream: r.stream, Version: r.version,
		Epoch: epoch, Partition: r.partition, Position: r.position, RecordedAt: r.recordedAt.UTC(),
		Actor: r.actor, CommandID: r.commandID, Payload: r.payload,
	}
	if r.correlation != nil {
		e.CorrelationID = *r.correlation
	}
	if r.causation != nil {
		e.CausationID = *r.causation
	}
	e.encodeFrame()
	return e
}

func (r *Reader) query(ctx context.Context, sql string, args ...any) ([]*Event, error) {
	rows, err := r.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Event, error) {
		var stored eventRow
		if err := row.Scan(stored.targets()...); err != nil {
			return nil, err
		}
		return stored.event(r.meta.epoch), nil
	})
}

// ReadStream returns up to limit events of a stream with versions above after,
// oldest first.
func (r *Reader) ReadStream(ctx context.Context, stream domain.ID, after int64, limit int) ([]*Event, error) {
	events, err := r.query(ctx, `
SELECT `+eventColumns+` FROM log.events e
 WHERE e.stream = $1 AND e.version > $2 ORDER BY e.version LIMIT $3`, stream, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", stream, err)
	}
	return events, nil
}

// ReadDecisive returns up to limit decisive events of a stream with versions
// above after, oldest first. Its cost does not grow with the events between.
func (r *Reader) ReadDecisive(ctx context.Context, stream domain.ID, after int64, limit int) ([]*Event, error) {
	events, err := r.query(ctx, `
SELECT `+eventColumns+` FROM log.events e
 WHERE e.stream = $1 AND e.version > $2 AND e.decisive ORDER BY e.version LIMIT $3`, stream, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read decisive events of %s: %w", stream, err)
	}
	return events, nil
}

// EventByID returns the event with an id, ErrNotFound when there is none.
func (r *Reader) EventByID(ctx context.Context, id domain.ID) (*Event, error) {
	events, err := r.query(ctx, `SELECT `+eventColumns+` FROM log.events e WHERE e.id = $1`, id)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read event %s: %w", id, err)
	case len(events) == 0:
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return events[0], nil
}

// readPartition returns up to limit events with positions in (after, upTo].
func (r *Reader) readPartition(ctx context.Context, partition int, after, upTo int64, limit int) ([]*Event, error) {
	events, err := r.query(ctx, `
SELECT `+eventColumns+` FROM log.events e
 WHERE e.partition = $1 AND e.position > $2 AND e.position <= $3 ORDER BY e.position LIMIT $4`,
		partition, after, upTo, limit)
	if err != nil {
		return nil, fmt.Errorf("read partition %d: %w", partition, err)
	}
	return events, nil
}

// heads is the state of the whole log at one moment.
type heads struct {
	positions  []int64 // per partition: the position of its last event
	epoch      int
	redactions int64 // how often payloads were overwritten
}

func (r *Reader) readHeads(ctx context.Context) (h heads, err error) {
	err = r.pool.QueryRow(ctx, `
SELECT (SELECT array_agg(position ORDER BY partition) FROM log.heads), epoch, redactions FROM log.meta`).
		Scan(&h.positions, &h.epoch, &h.redactions)
	if err != nil {
		return heads{}, fmt.Errorf("read heads: %w", err)
	}
	return h, nil
}

// VersionsAt returns, in the order of the streams, the version that each had
// when its partition was at positions[partition]; 0 for none. The cost is
// logarithmic in how much the stream has grown since, and one row per stream
// that has not grown, which is most.
func (r *Reader) VersionsAt(ctx context.Context, streams []domain.ID, positions []int64) ([]int64, error) {
	at := make([]int64, len(streams))
	for i, id := range streams {
		at[i] = positions[r.meta.PartitionOf(id)]
	}
	rows, err := r.pool.Query(ctx, `
SELECT CASE WHEN t.stream IS NULL THEN 0 WHEN t.position <= s.position THEN t.version
            ELSE log.version_at(s.stream, s.position) END
  FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS s (stream, position, idx)
  LEFT JOIN log.streams AS t ON t.stream = s.stream ORDER BY s.idx`, streams, at)
	if err != nil {
		return nil, fmt.Errorf("read versions at positions: %w", err)
	}
	versions, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("read versions at positions: %w", err)
	}
	return versions, nil
}
