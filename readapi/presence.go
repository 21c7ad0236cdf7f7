package readapi

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/web"
)

const memberIDsSQL = `
SELECT user_id FROM inbox.members
 WHERE conversation_id = $1 AND removed_seq IS NULL AND user_id > $2
 ORDER BY user_id
 LIMIT $3`

type listPresenceInput struct {
	Read
	Limit
	ConversationID domain.ID `path:"conversation_id"`
	Cursor         string    `query:"cursor" doc:"The next of the previous page."`
}

// listPresence lists the presence of the members, ordered by id. Across a block, users appear offline.
func (r *reads) listPresence(ctx context.Context, in *listPresenceInput) (*output[web.Page[ephemeral.Presence]], error) {
	after, err := decodeIDCursor("presence", in.Cursor)
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx, in.Read, inbox); err != nil {
		return nil, err
	}
	rows, _ := r.pool.Query(ctx, memberIDsSQL, in.ConversationID, after, in.Limit.Limit+1)
	members, err := pgx.CollectRows(rows, pgx.RowTo[domain.ID])
	if err == nil {
		err = r.requireMember(ctx, in.ConversationID)
	}
	if err != nil {
		return nil, err
	}
	seen, err := r.presence(ctx, members)
	return answer(page(seen, in.Limit.Limit, func(p ephemeral.Presence) ephemeral.Presence { return p },
		func(p ephemeral.Presence) string { return encodeCursor("presence", p.UserID.String()) }), err)
}

// presence reads the presence of users as the caller may see it. Blocks are read last and from the log, so a new block
// takes effect at once.
func (r *reads) presence(ctx context.Context, users []domain.ID) ([]ephemeral.Presence, error) {
	seen, err := r.ephemeral.Presence(ctx, users)
	if err != nil {
		return nil, err
	}
	caller := web.CallerFrom(ctx).UserID
	blocked, err := r.log.BlockedBy(ctx, append(users, caller)...)
	for i, user := range users {
		if slices.Contains(blocked[user], caller) || slices.Contains(blocked[caller], user) {
			seen[i] = ephemeral.Presence{UserID: user}
		}
	}
	return seen, err
}
