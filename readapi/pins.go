package readapi

import (
	"context"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/web"
)

const listPinsSQL = `
SELECT ` + messageColumns + ` FROM timeline.messages m
 WHERE m.conversation_id = $2 AND m.pinned_seq IS NOT NULL AND m.pinned_seq < $3
 ORDER BY m.pinned_seq DESC LIMIT $4`

type listPinsInput struct {
	Read
	Limit
	ConversationID domain.ID `path:"conversation_id"`
	Cursor         string    `query:"cursor" doc:"The next of the previous page."`
}

// listPins lists the pinned messages, most recently pinned first.
func (r *reads) listPins(ctx context.Context, in *listPinsInput) (*output[web.Page[web.Message]], error) {
	before := int64(math.MaxInt64)
	if in.Cursor != "" {
		keys, err := decodeCursor("pins", in.Cursor, 1)
		if err != nil {
			return nil, err
		}
		if before, err = strconv.ParseInt(keys[0], 10, 64); err != nil {
			return nil, errCursor
		}
	}
	if err := r.wait(ctx, in.Read, inbox, timeline); err != nil {
		return nil, err
	}
	found, _ := r.pool.Query(ctx, listPinsSQL, web.CallerFrom(ctx).UserID, in.ConversationID, before, in.Limit.Limit+1)
	rows, err := pgx.CollectRows(found, scanMessage)
	if err == nil {
		err = r.requireMember(ctx, in.ConversationID)
	}
	return answer(page(rows, in.Limit.Limit, messageRow.message,
		func(m messageRow) string { return encodeCursor("pins", strconv.FormatInt(*m.pinnedSeq, 10)) }), err)
}
