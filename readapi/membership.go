package readapi

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

var memberSQL = `
SELECT ` + eventlog.RemovedSinceSQL("c.id", "c.last_seq", "$1") + `
  FROM inbox.members m
  JOIN inbox.conversations c ON c.id = m.conversation_id
 WHERE m.user_id = $1 AND m.conversation_id = $2 AND m.removed_seq IS NULL`

// requireMember refuses callers who are not in the conversation. The inbox may lag behind, so the log is asked for
// later removals: a removal takes effect with its acknowledgement. Call it after reading what it protects, because then
// the answer contains nothing that came after a removal.
func (r *reads) requireMember(ctx context.Context, conversation domain.ID) error {
	var removed bool
	err := r.pool.QueryRow(ctx, memberSQL, web.CallerFrom(ctx).UserID, conversation).Scan(&removed)
	if errors.Is(err, pgx.ErrNoRows) || removed {
		return domain.ErrConversationNotFound
	}
	return err
}
