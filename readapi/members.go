package readapi

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/web"
)

// ListedMember is a membership in the list of a conversation's members.
type ListedMember struct {
	web.Member
	DisplayName string    `json:"display_name" example:"Ada"`
	JoinedAt    time.Time `json:"joined_at"`
}

const listMembersSQL = `
SELECT m.user_id, m.role, m.joined_at, coalesce(u.display_name, '')
  FROM inbox.members m
  LEFT JOIN directory.users u ON u.id = m.user_id
 WHERE m.conversation_id = $1 AND m.removed_seq IS NULL AND m.user_id > $2
 ORDER BY m.user_id
 LIMIT $3`

func scanMember(row pgx.CollectableRow) (m ListedMember, err error) {
	var role string
	if err := row.Scan(&m.UserID, &role, &m.JoinedAt, &m.DisplayName); err != nil {
		return m, err
	}
	m.JoinedAt = m.JoinedAt.UTC()
	return m, m.Role.UnmarshalText([]byte(role))
}

type listMembersInput struct {
	Read
	Limit
	ConversationID domain.ID `path:"conversation_id"`
	Cursor         string    `query:"cursor" doc:"The next of the previous page."`
}

func (r *reads) listMembers(ctx context.Context, in *listMembersInput) (*output[web.Page[ListedMember]], error) {
	after, err := decodeIDCursor("members", in.Cursor)
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx, in.Read, inbox, directory); err != nil {
		return nil, err
	}
	found, _ := r.pool.Query(ctx, listMembersSQL, in.ConversationID, after, in.Limit.Limit+1)
	rows, err := pgx.CollectRows(found, scanMember)
	if err == nil {
		err = r.requireMember(ctx, in.ConversationID)
	}
	return answer(page(rows, in.Limit.Limit, func(m ListedMember) ListedMember { return m },
		func(m ListedMember) string { return encodeCursor("members", m.UserID.String()) }), err)
}
