package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ping/domain"
)

// past is a command that the log knows already.
type past struct {
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

// findCommands returns, for each request, what it did when it came before, or
// nil when it never did.
func (l *Log) findCommands(ctx context.Context, requests []*request) ([]*past, error) {
	streams, commandIDs := make([]domain.ID, len(requests)), make([]domain.ID, len(requests))
	for i, r := range requests {
		streams[i], commandIDs[i] = r.Stream, r.id
	}
	found := make([]*past, len(requests))
	var batch pgx.Batch
	batch.Queue(findEvents, uuids(streams), uuids(commandIDs)).Query(func(rows pgx.Rows) error {
		var idx, fingerprint int64
		var e eventRow
		_, err := pgx.ForEachRow(rows, append([]any{&idx, &fingerprint}, e.targets()...), func() error {
			f := found[idx-1]
			if f == nil {
				f = &past{fingerprint: fingerprint, Result: Result{Replayed: true}}
				found[idx-1] = f
			}
			recorded := l.event(&e)
			f.Events = append(f.Events, recorded)
			f.At, f.Version = At{recorded.Partition, recorded.Position}, recorded.Version
			return nil
		})
		return err
	})
	batch.Queue(findReceipts, uuids(streams), uuids(commandIDs)).Query(func(rows pgx.Rows) error {
		var idx, fingerprint, version, position int64
		_, err := pgx.ForEachRow(rows, []any{&idx, &fingerprint, &version, &position}, func() error {
			found[idx-1] = &past{fingerprint: fingerprint, Result: Result{
				Replayed: true, At: At{l.PartitionOf(streams[idx-1]), position}, Version: version,
			}}
			return nil
		})
		return err
	})
	if err := l.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("find commands: %w", err)
	}
	return found, nil
}

// writeReceipt remembers a command that succeeded without an event.
func (l *Log) writeReceipt(ctx context.Context, r *request, res Result) error {
	_, err := l.pool.Exec(ctx, `
WITH marked AS (UPDATE log.streams SET receipts = true WHERE stream = $1 AND NOT receipts)
INSERT INTO log.receipts (stream, command_id, fingerprint, version, position, actor)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		pgUUID(r.Stream), pgUUID(r.id), r.Fingerprint, res.Version, res.At.Position, pgUUID(r.Actor))
	if err != nil {
		return fmt.Errorf("write receipt: %w", err)
	}
	return nil
}
