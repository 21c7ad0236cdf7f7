package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

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

func removeMemberOperation() huma.Operation {
	return reaching(http.MethodDelete, conversationPath+"/members/{user_id}", "remove-member", "Remove a member or leave", http.StatusNoContent, "members",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrDirectIsFixed)
}

// removeMember ends a membership. It succeeds when there was none: what was
// asked for is so.
func (c *members) removeMember(ctx context.Context, in *removeMemberInput) (*writtenOutput, error) {
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
