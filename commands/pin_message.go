package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/web"
)

type pinInput struct {
	web.Action
	MessagePath
}

type pinOutput struct {
	web.Written
	Body struct {
		MessageID domain.ID `json:"message_id"`
		Pinned    bool      `json:"pinned"`
	}
}

func pinMessageOperation() huma.Operation {
	return onMessage(http.MethodPut, messagePath+"/pin", "pin-message", "Pin a message")
}

func (c *messages) pinMessage(ctx context.Context, in *pinInput) (*pinOutput, error) {
	return c.pin(ctx, in, true)
}

func unpinMessageOperation() huma.Operation {
	return onMessage(http.MethodDelete, messagePath+"/pin", "unpin-message", "Unpin a message")
}

func (c *messages) unpinMessage(ctx context.Context, in *pinInput) (*pinOutput, error) {
	return c.pin(ctx, in, false)
}

// pin makes a message be pinned or not. It succeeds when that was so.
func (c *messages) pin(ctx context.Context, in *pinInput, pinned bool) (*pinOutput, error) {
	pin := domain.PinMessage{Actor: web.CallerFrom(ctx).UserID, Pinned: pinned}
	var err error
	if pin.Message, pin.Blocked, err = c.loadTarget(ctx, in.MessagePath); err != nil {
		return nil, err
	}
	done, err := c.decide(ctx, command(in.ConversationID, pin.Actor, in.Key, in.Request()),
		func(conversation *domain.Conversation, _ int64) ([]domain.Event, error) {
			return conversation.PinMessage(pin)
		})
	if err != nil {
		return nil, err
	}
	out := &pinOutput{Written: written(done)}
	out.Body.MessageID, out.Body.Pinned = in.MessageID, pinned
	return out, nil
}
