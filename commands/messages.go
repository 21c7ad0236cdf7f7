package commands

import (
	"context"
	"errors"

	"ping/domain"
	"ping/internal/web"
)

// MessagePath is embedded in the input of what is done to a message. It is
// exported for huma, which passes over what is not.
type MessagePath struct {
	ConversationID domain.ID `path:"conversation_id"`
	MessageID      domain.ID `path:"message_id"`
}

// about finds in the log what a decision about a message needs: what became of
// it, and whether one of the two of a direct conversation has blocked the other.
func (c *commands) about(ctx context.Context, path MessagePath) (m domain.Message, blocked bool, err error) {
	if m, err = c.log.Message(ctx, path.ConversationID, path.MessageID); err != nil {
		return m, false, err
	}
	blocked, err = c.directs.blocked(ctx, path.ConversationID, web.CallerFrom(ctx).UserID)
	return m, blocked, err
}

// stillIn refuses who is not in a conversation any more: a retry is not decided
// again, and what is there now is for those inside.
func (c *commands) stillIn(ctx context.Context, conversation, user domain.ID) error {
	_, err := c.roleOf(ctx, conversation, user)
	if errors.Is(err, domain.ErrUserNotFound) {
		return domain.ErrConversationNotFound
	}
	return err
}
