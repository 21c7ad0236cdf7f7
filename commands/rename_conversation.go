package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/checkpoint"
	"ping/internal/web"
)

type renameConversationInput struct {
	web.Write
	ConversationID domain.ID `path:"conversation_id"`
	Body           struct {
		Name  *string `json:"name,omitempty" doc:"1-100 characters after trimming. If absent, it does not change." example:"The crew"`
		Topic *string `json:"topic,omitempty" doc:"At most 500 characters. Empty removes it. If absent, it does not change." example:"Sails and ropes"`
	}
}

func renameConversationOperation() huma.Operation {
	return reaching(http.MethodPatch, conversationPath, "rename-conversation", "Change a group's name or topic", http.StatusOK, "conversations",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrDirectIsFixed, domain.ErrNameInvalid, domain.ErrTopicInvalid, checkpoint.ErrBehind)
}

// renameConversation changes a group's name, its topic or both.
func (c *conversations) renameConversation(ctx context.Context, in *renameConversationInput) (*conversationOutput, error) {
	rename := domain.RenameConversation{Actor: web.CallerFrom(ctx).UserID, Name: in.Body.Name, Topic: in.Body.Topic}
	done, err := c.decide(ctx, command(in.ConversationID, rename.Actor, in.Key, in.Request()),
		func(conversation *domain.Conversation, _ int64) ([]domain.Event, error) {
			return conversation.Rename(rename)
		})
	if err != nil {
		return nil, err
	}
	return c.existingConversation(ctx, rename.Actor, in.ConversationID, done)
}
