package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
)

// idempotency finds what repeated commands did the first time.
type idempotency struct {
	pool *pgxpool.Pool
	meta meta
}

// executed is a command that the log has already.
type executed struct {
	fingerprint int64
	Result
}

// findEvents looks commands up by (stream, id) and reads all their events,
// whose versions follow one another. LIMIT keeps each look-up one index probe.
const findEvents = `
SELECT c.idx, first.fingerprint, ` + eventColumns + `
  FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS c (stream, id, idx)
 CROSS JOIN LATERAL (
       SELECT f.version, f.command_size, f.fingerprint FROM log.events f
        WHERE f.stream = c.stream AND f.command_id = c.id AND f.ordinal = 0 LIMIT 1) AS first
 CROSS JOIN LATERAL (
       SELECT * FROM log.events x
        WHERE x.stream = c.stream AND x.version >= first.version AND x.version < first.version + first.command_size
        ORDER BY x.version LIMIT first.command_size) AS e
 ORDER BY c.idx, e.version`

const findReceipts = `
SELECT c.idx, r.fingerprint, r.version, r.position
  FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS c (stream, id, idx)
  JOIN log.receipts r ON r.stream = c.stream AND r.command_id = c.id`

// find returns, per request, what it did the first time, or nil when it never
// happened.
func (i *idempotency) find(ctx context.Context, requests []*request) ([]*executed, error) {
	streams, commandIDs := make([]domain.ID, len(requests)), make([]domain.ID, len(requests))
	for n, r := range requests {
		streams[n], commandIDs[n] = r.Stream, r.id
	}
	found := make([]*executed, len(requests))
	var batch pgx.Batch
	batch.Queue(findEvents, streams, commandIDs).Query(func(rows pgx.Rows) error {
		var idx, fingerprint int64
		var row eventRow
		_, err := pgx.ForEachRow(rows, append([]any{&idx, &fingerprint}, row.targets()...), func() error {
			f := found[idx-1]
			if f == nil {
				f = &executed{fingerprint: fingerprint, Result: Result{Replayed: true}}
				found[idx-1] = f
			}
			e := row.event(i.meta.epoch)
			f.Events = append(f.Events, e)
			f.At, f.Version = At{e.Partition, e.Position}, e.Version
			return nil
		})
		return err
	})
	batch.Queue(findReceipts, streams, commandIDs).Query(func(rows pgx.Rows) error {
		var idx, fingerprint, version, position int64
		_, err := pgx.ForEachRow(rows, []any{&idx, &fingerprint, &version, &position}, func() error {
			found[idx-1] = &executed{fingerprint: fingerprint, Result: Result{
				Replayed: true, At: At{i.meta.PartitionOf(streams[idx-1]), position}, Version: version,
			}}
			return nil
		})
		return err
	})
	if err := i.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("find commands: %w", err)
	}
	return found, nil
}

// writeReceipt records a command that succeeded without an event.
func (i *idempotency) writeReceipt(ctx context.Context, r *request, res Result) error {
	_, err := i.pool.Exec(ctx, `
WITH marked AS (UPDATE log.streams SET receipts = true WHERE stream = $1 AND NOT receipts)
INSERT INTO log.receipts (stream, command_id, fingerprint, version, position, actor)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		r.Stream, r.id, r.Fingerprint, res.Version, res.At.Position, nullable(&r.Actor))
	if err != nil {
		return fmt.Errorf("write receipt: %w", err)
	}
	return nil
}
