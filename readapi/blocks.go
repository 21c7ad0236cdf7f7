package readapi

import (
	"context"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5"

	"ping/internal/web"
)

const listBlocksSQL = `
SELECT ` + userColumns + `, b.seq
  FROM directory.blocks b
  JOIN directory.users u ON u.id = b.blocked_id
 WHERE b.user_id = $1 AND b.seq < $2
 ORDER BY b.seq DESC
 LIMIT $3`

type blockRow struct {
	web.User
	seq int64
}

func scanBlock(row pgx.CollectableRow) (b blockRow, err error) {
	var u userRow
	err = row.Scan(append(u.targets(), &b.seq)...)
	b.User = u.user()
	return b, err
}

type listBlocksInput struct {
	Read
	Limit
	Cursor string `query:"cursor" doc:"The next of the previous page."`
}

// listBlocks lists the users that the caller has blocked, most recent first. They are few, so they are sorted and not
// indexed by time.
func (r *reads) listBlocks(ctx context.Context, in *listBlocksInput) (*output[web.Page[web.User]], error) {
	before := int64(math.MaxInt64)
	if in.Cursor != "" {
		keys, err := decodeCursor("blocks", in.Cursor, 1)
		if err != nil {
			return nil, err
		}
		if before, err = strconv.ParseInt(keys[0], 10, 64); err != nil {
			return nil, errCursor
		}
	}
	if err := r.wait(ctx, in.Read, directory); err != nil {
		return nil, err
	}
	found, _ := r.pool.Query(ctx, listBlocksSQL, web.CallerFrom(ctx).UserID, before, in.Limit.Limit+1)
	rows, err := pgx.CollectRows(found, scanBlock)
	return answer(page(rows, in.Limit.Limit, func(b blockRow) web.User { return b.User },
		func(b blockRow) string { return encodeCursor("blocks", strconv.FormatInt(b.seq, 10)) }), err)
}
