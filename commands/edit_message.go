package commands

import (
	"context"

	"ping/domain"
	"ping/internal/web"
)

type editMessageInput struct {
	web.Write
	MessagePath
	Body struct {
		Body string `json:"body" doc:"1-4,000 characters after trimming; stored byte for byte." example:"Good evening!"`
	}
}

// editMessage gives a message another body.
func (c *commands) editMessage(ctx context.Context, in *editMessageInput) (*messageOutput, error) {
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
