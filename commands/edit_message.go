package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/checkpoint"
	"ping/internal/web"
)

type editMessageInput struct {
	web.Write
	MessagePath
	Body struct {
		Body string `json:"body" doc:"1-4,000 characters after trimming; stored byte for byte." example:"Good evening!"`
	}
}

func editMessageOperation() huma.Operation {
	return onMessage(http.MethodPatch, messagePath, "edit-message", "Edit a message", domain.ErrBodyEmpty, domain.ErrBodyTooLong, domain.ErrBodyInvalid, checkpoint.ErrBehind)
}

// editMessage gives a message another body.
func (c *messages) editMessage(ctx context.Context, in *editMessageInput) (*messageOutput, error) {
	edit := domain.EditMessage{Actor: web.CallerFrom(ctx).UserID, Body: in.Body.Body}
	var err error
	if edit.Message, edit.Blocked, err = c.loadTarget(ctx, in.MessagePath); err != nil {
		return nil, err
	}
	done, err := c.decide(ctx, command(in.ConversationID, edit.Actor, in.Key, in.Request()),
		func(conversation *domain.Conversation, _ int64) ([]domain.Event, error) {
			return conversation.EditMessage(edit)
		})
	if err != nil {
		return nil, err
	}
	if done.Replayed {
		if err := c.requireMember(ctx, in.ConversationID, edit.Actor); err != nil {
			return nil, err
		}
	}
	message, err := c.Reads.Message(ctx, edit.Actor, in.ConversationID, in.MessageID, done.At)
	if err != nil {
		return nil, err
	}
	return &messageOutput{Written: written(done), Body: message}, nil
}
