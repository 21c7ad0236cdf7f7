package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/internal/postgres"
)

// span names the events of a partition after one position, up to another.
type span struct {
	partition   int16
	after, upto int64
}

func events(spans []span) (n int64) {
	for _, s := range spans {
		n += s.upto - s.after
	}
	return n
}

// halve cuts spans with at least two events in two, so that within each
// partition what is in the first half comes before what is in the second.
func halve(spans []span) (first, second []span) {
	left := events(spans) / 2
	for _, s := range spans {
		cut := min(s.after+left, s.upto)
		if cut > s.after {
			first = append(first, span{s.partition, s.after, cut})
		}
		if cut < s.upto {
			second = append(second, span{s.partition, cut, s.upto})
		}
		left -= cut - s.after
	}
	return first, second
}

// applier is a connection that applies events to the tables of a projection in
// one schema: the live one, or that of a rebuild.
type applier struct {
	conn   *pgx.Conn
	schema string // also the name of its checkpoints
}

// errFenced: the checkpoint is not where the caller expected it, because another
// node has applied these events. Nothing was changed.
var errFenced = errors.New("the checkpoint has moved")

const fencedState = "PGF01"

// applierSQL prepares a connection; %[1]s is the schema, %[2]s apply.sql.
//
// The plans are made while the tables are empty and are kept while they grow, so
// only plans by index are right. OFFSET 0 prevents the planner from inlining the
// batch: it is read first, and then joined to the tables.
//
// With the keepalives, a node that disappears loses its leases within 20 seconds
// instead of hours.
//
// With synchronous_commit off a crash of Postgres can lose the last
// transactions, each together with its checkpoint: they are applied again.
//
// batch is a view and not a temporary table, because emptying a table at every
// commit costs more than reading a batch ten times from the log's pages, which
// are in memory.
//
// Everything happens in one function call, so in one transaction and one round
// trip. Its first statement is the fence: it locks the checkpoints and fails
// unless they are where the caller expects them.
const applierSQL = `
SET search_path = %[1]s;
SET synchronous_commit = off;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET jit = off;
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3;
SET plan_cache_mode = force_generic_plan;

CREATE TEMP VIEW batch AS
SELECT e.partition, e.position, e.stream, e.version, e.id, e.type, e.schema,
       e.recorded_at, e.actor, e.correlation_id, e.causation_id, e.payload
  FROM unnest(current_setting('ping.partitions')::smallint[],
              current_setting('ping.after')::bigint[],
              current_setting('ping.upto')::bigint[]) AS s (partition, after, upto)
  JOIN log.events AS e ON e.partition = s.partition AND e.position > s.after AND e.position <= s.upto
OFFSET 0;

CREATE FUNCTION pg_temp.apply() RETURNS void LANGUAGE plpgsql AS ` + applyTag + `
BEGIN
%[2]s
END
` + applyTag + `;

CREATE FUNCTION pg_temp.advance(p_partitions smallint[], p_after bigint[], p_upto bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    advanced int;
BEGIN
    UPDATE projections.checkpoints c
       SET position = s.upto
      FROM unnest(p_partitions, p_after, p_upto) AS s (partition, after, upto)
     WHERE c.projection = '%[1]s' AND c.partition = s.partition AND c.position = s.after;
    GET DIAGNOSTICS advanced = ROW_COUNT;
    IF advanced <> cardinality(p_partitions) THEN
        RAISE EXCEPTION USING ERRCODE = '` + fencedState + `', MESSAGE = 'the checkpoint has moved';
    END IF;
END
$$;

CREATE FUNCTION pg_temp.step(p_partitions smallint[], p_after bigint[], p_upto bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.advance(p_partitions, p_after, p_upto);
    PERFORM set_config('ping.partitions', p_partitions::text, true),
            set_config('ping.after', p_after::text, true),
            set_config('ping.upto', p_upto::text, true);
    PERFORM pg_temp.apply();
END
$$;
`

// newApplier takes a connection out of the pool permanently, since it changes the
// session's state. The caller closes it.
func newApplier(ctx context.Context, pool *pgxpool.Pool, p Projection, schema string) (*applier, error) {
	pooled, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	conn := pooled.Hijack()
	if _, err := conn.Exec(ctx, fmt.Sprintf(applierSQL, schema, p.Apply), pgx.QueryExecModeSimpleProtocol); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("prepare %s: %w", schema, err)
	}
	return &applier{conn: conn, schema: schema}, nil
}

// close ends the connection and with it all of its locks, even if the work was
// cancelled.
func (a *applier) close(ctx context.Context) {
	_ = a.conn.Close(context.WithoutCancel(ctx))
}

// apply applies the events of the spans, at most one span per partition, and
// moves their checkpoints, all in one transaction.
func (a *applier) apply(ctx context.Context, spans []span) error {
	return a.call(ctx, `SELECT pg_temp.step($1, $2, $3)`, spans)
}

func (a *applier) call(ctx context.Context, sql string, spans []span, more ...any) error {
	partitions, after, upto := make([]int16, len(spans)), make([]int64, len(spans)), make([]int64, len(spans))
	for i, s := range spans {
		partitions[i], after[i], upto[i] = s.partition, s.after, s.upto
	}
	_, err := a.conn.Exec(ctx, sql, append([]any{partitions, after, upto}, more...)...)
	if postgres.State(err) == fencedState {
		return errFenced
	}
	return err
}

// applyAround applies the spans. If Postgres refuses the data of an event, it
// finds that event by halving, passes it to poison, and continues after it if
// poison returns nil.
func (a *applier) applyAround(ctx context.Context, spans []span, poison func(context.Context, span, error) error) error {
	err := a.apply(ctx, spans)
	if err == nil || !isDataError(err) {
		return err
	}
	if events(spans) == 1 {
		return poison(ctx, spans[0], err)
	}
	first, second := halve(spans)
	if err := a.applyAround(ctx, first, poison); err != nil {
		return err
	}
	return a.applyAround(ctx, second, poison)
}

const parkSQL = `
WITH advanced AS (SELECT pg_temp.advance($1, $2, $3))
INSERT INTO projections.parked (projection, partition, position, event_id, error)
SELECT $4, e.partition, e.position, e.id, $5
  FROM advanced
  JOIN log.events AS e ON e.partition = ($1::smallint[])[1] AND e.position = ($3::bigint[])[1]`

// park moves the checkpoint past one event and stores it with its error.
func (a *applier) park(ctx context.Context, s span, cause error) error {
	return a.call(ctx, parkSQL, []span{s}, a.schema, describe(cause))
}

// positions reads the checkpoints.
func (a *applier) positions(ctx context.Context) (map[int16]int64, error) {
	rows, _ := a.conn.Query(ctx, `SELECT partition, position FROM projections.checkpoints WHERE projection = $1`, a.schema)
	at := map[int16]int64{}
	var partition int16
	var position int64
	_, err := pgx.ForEachRow(rows, []any{&partition, &position}, func() error {
		at[partition] = position
		return nil
	})
	return at, err
}

// isDataError reports whether an event's data is at fault: Postgres refused it, or
// apply.sql raised an exception, changed a row twice or exceeded a limit. A lost
// connection, a deadlock, a full disk or a mistake in apply.sql is not.
func isDataError(err error) bool {
	switch postgres.State(err) {
	case "P0001", "21000", "54000":
		return true
	}
	return postgres.IsDataError(err)
}

// describe says what Postgres said without quoting values, which may be what a
// person wrote: its messages hold them between quotation marks, or after a
// colon.
func describe(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err.Error()
	}
	message, _, _ := strings.Cut(pgErr.Message, `"`)
	message, _, _ = strings.Cut(message, ":")
	text := strings.TrimSpace(message) + " (SQLSTATE " + pgErr.Code
	if pgErr.ConstraintName != "" {
		text += ", constraint " + pgErr.ConstraintName
	}
	return text + ")"
}
