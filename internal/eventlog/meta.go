package eventlog

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
)

// ErrEpochChanged: the epoch was bumped while this process ran; restart it.
var ErrEpochChanged = errors.New("the log's epoch was bumped: restart this node")

// meta is what stays the same while a node runs: the row of log.meta.
type meta struct {
	partitions int
	epoch      int
}

// openMeta reads the log's own rows, and writes them first if this is a new log.
func openMeta(ctx context.Context, pool *pgxpool.Pool, partitions int) (m meta, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO log.meta (partitions, epoch) VALUES ($1, 1) ON CONFLICT DO NOTHING`, partitions); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT partitions, epoch FROM log.meta`).Scan(&m.partitions, &m.epoch); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO log.heads (partition) SELECT generate_series(0, $1 - 1) ON CONFLICT DO NOTHING`, m.partitions)
		return err
	})
	return m, err
}

// BumpEpoch begins a new incarnation of the log after Postgres was restored
// from a backup: clients are told, and a new mirror is filled. All nodes must
// be stopped. It returns the new epoch.
func BumpEpoch(ctx context.Context, pool *pgxpool.Pool) (epoch int, err error) {
	err = pool.QueryRow(ctx, `UPDATE log.meta SET epoch = epoch + 1 RETURNING epoch`).Scan(&epoch)
	if err != nil {
		return 0, fmt.Errorf("bump epoch: %w", err)
	}
	return epoch, nil
}

// Partitions returns how many partitions the log has: they are 0 to one less.
func (m meta) Partitions() int { return m.partitions }

// Epoch returns which incarnation of the log this is.
func (m meta) Epoch() int { return m.epoch }

// PartitionOf returns the partition of a stream: a hash of its id.
func (m meta) PartitionOf(stream domain.ID) int {
	h := fnv.New32a()
	h.Write(stream[:])
	return int(h.Sum32() % uint32(m.partitions))
}
