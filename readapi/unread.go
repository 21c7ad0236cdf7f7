package readapi

import (
	"context"

	"ping/internal/eventlog"
	"ping/internal/web"
)

// Unread is the total of a user's unread messages.
type Unread struct {
	UnreadCount    int64 `json:"unread_count" doc:"Unread messages in all conversations." example:"7"`
	UnreadMentions int64 `json:"unread_mentions" doc:"The unread messages that mention the caller." example:"1"`
	Conversations  int64 `json:"conversations" doc:"The number of conversations with unread messages." example:"2"`
}

var unreadSQL = `
SELECT coalesce(sum(u.unread), 0)::bigint, coalesce(sum(u.mentions), 0)::bigint, count(*) FILTER (WHERE u.unread > 0)
  FROM (SELECT c.last_ordinal - m.read_ordinal AS unread,
               (SELECT count(*) FROM inbox.mentions x
                 WHERE x.conversation_id = m.conversation_id AND x.user_id = m.user_id AND x.seq > m.read_seq) AS mentions
          FROM inbox.members m
         CROSS JOIN LATERAL (SELECT * FROM inbox.conversations WHERE id = m.conversation_id OFFSET 0) AS c
         WHERE m.user_id = $1 AND m.removed_seq IS NULL AND NOT ` + eventlog.RemovedSinceSQL("m.conversation_id", "c.last_seq", "$1") + `) AS u`

type getUnreadInput struct{ Read }

// getUnread adds up the unread messages of all conversations.
func (r *reads) getUnread(ctx context.Context, in *getUnreadInput) (*output[Unread], error) {
	if err := r.wait(ctx, in.Read, inbox); err != nil {
		return nil, err
	}
	var u Unread
	err := r.pool.QueryRow(ctx, unreadSQL, web.CallerFrom(ctx).UserID).Scan(&u.UnreadCount, &u.UnreadMentions, &u.Conversations)
	return answer(u, err)
}
