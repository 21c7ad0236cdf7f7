package commands

import (
	"context"

	"ping/domain"
	"ping/internal/web"
)

type removeMemberInput struct {
	web.Action
	ConversationID domain.ID `path:"conversation_id"`
	UserID         domain.ID `path:"user_id"`
}

type writtenOutput struct {
	web.Written
}

// removeMember ends a membership. It succeeds when there was none: what was
// asked for is so.
func (c *commands) removeMember(ctx context.Context, in *removeMemberInput) (*writtenOutput, error) {
	remove := domain.RemoveMember{Actor: web.CallerFrom(ctx).UserID, UserID: in.UserID}
	done, err := c.decide(ctx, command(in.ConversationID, remove.Actor, in.Key, in.Request()),
		func(conversation *domain.Conversation, _ int64) ([]domain.Event, error) {
			return conversation.RemoveMember(remove)
		})
	if err != nil {
		return nil, err
	}
	return &writtenOutput{written(done)}, nil
}
