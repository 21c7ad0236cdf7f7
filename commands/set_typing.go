package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/web"
)

type typeInput struct {
	web.Write
	ConversationID domain.ID `path:"conversation_id"`
	Body           struct {
		On bool `json:"on" doc:"Whether the caller is typing. Repeat true every 3 s."`
	}
}

func typingOperation() huma.Operation {
	return reaching(http.MethodPut, conversationPath+"/typing", "set-typing", "Set typing", http.StatusNoContent, "presence",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrBlocked, domain.ErrUserErased, ephemeral.ErrUnavailable)
}

// typing tells the others that the caller is writing, or not any more: for who
// has no stream.
func (c *ephemerals) typing(ctx context.Context, in *typeInput) (*struct{}, error) {
	user := web.CallerFrom(ctx).UserID
	blocked, err := c.blocks.blocked(ctx, in.ConversationID, user)
	if err != nil {
		return nil, err
	}
	if _, err := c.check(ctx, in.ConversationID, func(conversation *domain.Conversation) error { return conversation.Typing(user, blocked) }); err != nil {
		return nil, err
	}
	except, err := c.Log.BlockedBy(ctx, user)
	if err == nil {
		err = c.Ephemeral.Typing(ctx, in.ConversationID, user, in.Body.On, except[user])
	}
	return nil, err
}
