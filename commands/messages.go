package commands

import (
	"context"

	"ping/domain"
	"ping/internal/web"
)

// messagePath is embedded in the input of what is done to a message.
type messagePath struct {
	ConversationID domain.ID `path:"conversation_id"`
	MessageID      domain.ID `path:"message_id"`
}

// about finds in the log what a decision about a message needs: what became of
// it, and whether one of the two of a direct conversation has blocked the other.
func (c *commands) about(ctx context.Context, path messagePath) (m domain.Message, blocked bool, err error) {
	if m, err = c.log.Message(ctx, path.ConversationID, path.MessageID); err != nil {
		return m, false, err
	}
	blocked, err = c.directs.blocked(ctx, path.ConversationID, web.CallerFrom(ctx).UserID)
	return m, blocked, err
}
