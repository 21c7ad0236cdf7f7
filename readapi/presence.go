package readapi

import (
	"context"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/web"
)

const membersWithBlockSQL = `
SELECT m.user_id,
       EXISTS (SELECT FROM directory.blocks b
                WHERE (b.user_id = $1 AND b.blocked_id = m.user_id) OR (b.user_id = m.user_id AND b.blocked_id = $1))
  FROM inbox.members m
 WHERE m.conversation_id = $2 AND m.removed_seq IS NULL AND m.user_id > $3
 ORDER BY m.user_id
 LIMIT $4`

// seenMember is a member, and whether he and the caller see each other.
type seenMember struct {
	user    domain.ID
	blocked bool
}

type listPresenceInput struct {
	Read
	Limit
	ConversationID domain.ID `path:"conversation_id"`
	Cursor         string    `query:"cursor" doc:"The next of the page before."`
}

// listPresence lists how the members are seen, ordered by id. Across a block
// everyone is offline.
func (r *reads) listPresence(ctx context.Context, in *listPresenceInput) (*output[web.Page[ephemeral.Presence]], error) {
	after, err := decodeIDCursor("presence", in.Cursor)
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx, in.Read, inbox, directory); err != nil {
		return nil, err
	}
	rows, _ := r.pool.Query(ctx, membersWithBlockSQL, uid(web.CallerFrom(ctx).UserID), uid(in.ConversationID), uid(after), in.Limit.Limit+1)
	members, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m seenMember, err error) {
		return m, row.Scan((*[16]byte)(&m.user), &m.blocked)
	})
	if err == nil {
		err = r.member(ctx, in.ConversationID)
	}
	if err != nil {
		return nil, err
	}
	seen, err := r.look(ctx, members)
	return answer(page(seen, in.Limit.Limit, func(p ephemeral.Presence) ephemeral.Presence { return p },
		func(p ephemeral.Presence) string { return encodeCursor("presence", p.UserID.String()) }), err)
}

func (r *reads) look(ctx context.Context, members []seenMember) ([]ephemeral.Presence, error) {
	users := make([]domain.ID, len(members))
	for i, m := range members {
		users[i] = m.user
	}
	seen, err := r.ephemeral.Look(ctx, users)
	for i := range seen {
		if members[i].blocked {
			seen[i] = ephemeral.Presence{UserID: members[i].user}
		}
	}
	return seen, err
}
