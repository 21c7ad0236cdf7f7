package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/web"
)

type deleteMessageInput struct {
	web.Action
	MessagePath
}

func deleteMessageOperation() huma.Operation {
	return reaching(http.MethodDelete, messagePath, "delete-message", "Delete a message", http.StatusNoContent, "messages",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrMessageNotFound)
}

// deleteMessage makes a message a tombstone. It succeeds when it was one.
func (c *messages) deleteMessage(ctx context.Context, in *deleteMessageInput) (*writtenOutput, error) {
	remove := domain.DeleteMessage{Actor: web.CallerFrom(ctx).UserID}
	var err error
	if remove.Message, err = c.Log.Message(ctx, in.ConversationID, in.MessageID); err != nil {
		return nil, err
	}
	done, err := c.decide(ctx, command(in.ConversationID, remove.Actor, in.Key, in.Request()),
		func(conversation *domain.Conversation, _ int64) ([]domain.Event, error) {
			return conversation.DeleteMessage(remove)
		})
	if err != nil {
		return nil, err
	}
	return &writtenOutput{written(done)}, nil
}
