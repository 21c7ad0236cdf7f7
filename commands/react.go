package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/web"
)

type reactInput struct {
	web.Action
	MessagePath
	Emoji string `path:"emoji" doc:"One emoji, percent-encoded." example:"👍"`
}

type reactOutput struct {
	web.Written
	Body struct {
		MessageID domain.ID `json:"message_id"`
		Emoji     string    `json:"emoji" example:"👍"`
		Mine      bool      `json:"mine" doc:"Whether the caller has this reaction on the message."`
	}
}

func addReactionOperation() huma.Operation {
	return onMessage(http.MethodPut, messagePath+"/reactions/{emoji}", "add-reaction", "Add a reaction", domain.ErrEmojiInvalid, domain.ErrTooManyReactions)
}

func (c *messages) addReaction(ctx context.Context, in *reactInput) (*reactOutput, error) {
	return c.react(ctx, in, true)
}

func removeReactionOperation() huma.Operation {
	return onMessage(http.MethodDelete, messagePath+"/reactions/{emoji}", "remove-reaction", "Remove a reaction", domain.ErrEmojiInvalid)
}

func (c *messages) removeReaction(ctx context.Context, in *reactInput) (*reactOutput, error) {
	return c.react(ctx, in, false)
}

// react makes a reaction be there or not. It succeeds when that was so.
func (c *messages) react(ctx context.Context, in *reactInput, on bool) (*reactOutput, error) {
	react := domain.React{Actor: web.CallerFrom(ctx).UserID, Emoji: in.Emoji, On: on}
	err := react.Check()
	if err != nil {
		return nil, err
	}
	if react.Message, react.Blocked, err = c.loadTarget(ctx, in.MessagePath); err != nil {
		return nil, err
	}
	if react.Is, react.Mine, err = c.Log.Reactions(ctx, in.MessageID, react.Actor, react.Emoji); err != nil {
		return nil, err
	}
	done, err := c.decide(ctx, command(in.ConversationID, react.Actor, in.Key, in.Request()),
		func(conversation *domain.Conversation, _ int64) ([]domain.Event, error) {
			return conversation.React(react)
		})
	if err != nil {
		return nil, err
	}
	out := &reactOutput{Written: written(done)}
	out.Body.MessageID, out.Body.Emoji, out.Body.Mine = in.MessageID, in.Emoji, on
	return out, nil
}
