package commands

import (
	"context"
	"errors"

	"ping/domain"
	"ping/internal/web"
)

// MessagePath is embedded in the input of commands on a message. It is exported
// because huma ignores unexported fields.
type MessagePath struct {
	ConversationID domain.ID `path:"conversation_id"`
	MessageID      domain.ID `path:"message_id"`
}

// loadTarget reads from the log what a decision about a message needs: its state,
// and whether a member of a direct conversation has blocked the other.
func (c *messages) loadTarget(ctx context.Context, path MessagePath) (m domain.Message, blocked bool, err error) {
	if m, err = c.Log.Message(ctx, path.ConversationID, path.MessageID); err != nil {
		return m, false, err
	}
	blocked, err = c.blocks.blocked(ctx, path.ConversationID, web.CallerFrom(ctx).UserID)
	return m, blocked, err
}

// requireMember refuses users who are no longer members: a retry is not decided
// again, and the current state is for members only.
func (c *core) requireMember(ctx context.Context, conversation, user domain.ID) error {
	_, err := c.roleOf(ctx, conversation, user)
	if errors.Is(err, domain.ErrUserNotFound) {
		return domain.ErrConversationNotFound
	}
	return err
}
