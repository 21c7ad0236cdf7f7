package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ping/domain"
)

// LIMIT and OFFSET keep each look-up one probe of an index, whatever the tables
// looked like when the query was planned. The cost grows with the events after a
// version, not with those before.
const (
	readStreamHeads = `
SELECT k.idx, s.version, s.position
  FROM unnest($1::uuid[]) WITH ORDINALITY AS k (stream, idx)
 CROSS JOIN LATERAL (
       SELECT h.version, h.position FROM log.streams h WHERE h.stream = k.stream LIMIT 1) AS s`

	readDecisiveAfter = `
SELECT k.idx, e.version, e.position, e.type, e.schema, e.payload
  FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS k (stream, version, idx)
 CROSS JOIN LATERAL (
       SELECT d.version, d.position, d.type, d.schema, d.payload FROM log.events d
        WHERE d.stream = k.stream AND d.version > k.version AND d.decisive OFFSET 0) AS e
 ORDER BY k.idx, e.version`
)

// refresh brings the states of requests, one request per state, up to date: it
// folds the decisive events after their versions into them, which for a new
// state are all. After an error the states must not be used.
func (c *stateCache) refresh(ctx context.Context, requests []*request) error {
	streams, versions := make([]domain.ID, len(requests)), make([]int64, len(requests))
	for i, r := range requests {
		streams[i], versions[i] = r.Stream, r.st.version
	}
	// The heads are read first: the events, read after, then hold every
	// decisive one up to those versions, and perhaps some beyond.
	var batch pgx.Batch
	var idx, version, position int64
	batch.Queue(readStreamHeads, streams).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&idx, &version, &position}, func() error {
			requests[idx-1].st.advance(version, position)
			return nil
		})
		return err
	})
	batch.Queue(readDecisiveAfter, streams, versions).Query(func(rows pgx.Rows) error {
		var typ string
		var schema int
		var payload []byte
		_, err := pgx.ForEachRow(rows, []any{&idx, &version, &position, &typ, &schema, &payload}, func() error {
			c.metrics.stateEvents.Inc()
			r := requests[idx-1]
			r.st.advance(version, position)
			e, err := domain.DecodeEvent(typ, schema, payload)
			if err != nil {
				r.st.err = fmt.Errorf("%s version %d: %w", r.Stream, version, err)
				return nil
			}
			r.evolve(r.st.state, e)
			return nil
		})
		return err
	})
	return c.pool.SendBatch(ctx, &batch).Close()
}
