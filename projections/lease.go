package projections

import (
	"context"
	"hash/fnv"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Advisory locks have two keys: the projection, and below 256 a partition's
// lease, or one of these.
const (
	lockNode    = 1000 // held, shared, by every node that runs the projection
	lockInstall = 1001 // making the tables
	lockRebuild = 1002 // rebuilding them
)

// lockClass is the first key of a projection's advisory locks.
func lockClass(projection string) int32 {
	h := fnv.New32a()
	h.Write([]byte("ping projection " + projection))
	return int32(h.Sum32() >> 1)
}

// leases are the partitions that one connection may apply. They are locks of
// the connection's session: when the node dies its connection ends, and the
// others take over. A lease only keeps nodes out of each other's way; that no
// event is applied twice is the checkpoint's doing.
type leases struct {
	conn  *pgx.Conn
	class int32
	held  []int16
}

func newLeases(ctx context.Context, conn *pgx.Conn, projection string) (*leases, error) {
	l := &leases{conn: conn, class: lockClass(projection)}
	_, err := conn.Exec(ctx, `SELECT pg_advisory_lock_shared($1, $2)`, l.class, lockNode)
	return l, err
}

const nodesSQL = `
SELECT count(*)
  FROM pg_locks
 WHERE locktype = 'advisory' AND objsubid = 2 AND granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND classid = $1::bigint::oid AND objid = $2::bigint::oid`

// The LIMIT stops the scan, so no lock is taken beyond it.
const takeSQL = `
SELECT partition
  FROM unnest($2::smallint[]) AS partition
 WHERE pg_try_advisory_lock($1, partition)
 LIMIT $3`

// balance takes and gives back leases until this node holds its share of the
// partitions. It reports whether the node has at least what any other node
// leaves it: if not, another has yet to give back.
func (l *leases) balance(ctx context.Context, partitions int) (settled bool, err error) {
	var nodes int
	if err := l.conn.QueryRow(ctx, nodesSQL, int64(l.class), int64(lockNode)).Scan(&nodes); err != nil {
		return false, err
	}
	share := (partitions + nodes - 1) / nodes
	for len(l.held) > share {
		last := l.held[len(l.held)-1]
		if _, err := l.conn.Exec(ctx, `SELECT pg_advisory_unlock($1, $2)`, l.class, int32(last)); err != nil {
			return false, err
		}
		l.held = l.held[:len(l.held)-1]
	}
	if len(l.held) < share {
		var others []int16
		for p := range int16(partitions) {
			if !slices.Contains(l.held, p) {
				others = append(others, p)
			}
		}
		rows, _ := l.conn.Query(ctx, takeSQL, l.class, others, share-len(l.held))
		taken, err := pgx.CollectRows(rows, pgx.RowTo[int16])
		if err != nil {
			return false, err
		}
		l.held = append(l.held, taken...)
	}
	return len(l.held) >= partitions/nodes, nil
}
