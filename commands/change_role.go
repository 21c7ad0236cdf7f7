package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/web"
)

type changeRoleInput struct {
	web.Write
	ConversationID domain.ID `path:"conversation_id"`
	UserID         domain.ID `path:"user_id"`
	Body           struct {
		Role domain.Role `json:"role" doc:"owner transfers the caller's ownership: the caller becomes an admin."`
	}
}

func changeRoleOperation() huma.Operation {
	return reaching(http.MethodPatch, conversationPath+"/members/{user_id}", "change-role", "Change a member's role", http.StatusOK, "members",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrDirectIsFixed, domain.ErrMemberNotFound, domain.ErrRoleInvalid, domain.ErrLastOwner)
}

// changeRole gives a member another role.
func (c *members) changeRole(ctx context.Context, in *changeRoleInput) (*memberOutput, error) {
	change := domain.ChangeRole{Actor: web.CallerFrom(ctx).UserID, UserID: in.UserID, Role: in.Body.Role}
	done, err := c.decide(ctx, command(in.ConversationID, change.Actor, in.Key, in.Request()),
		func(conversation *domain.Conversation, _ int64) ([]domain.Event, error) {
			return conversation.ChangeRole(change)
		})
	if err != nil {
		return nil, err
	}
	return &memberOutput{Status: http.StatusOK, Written: written(done), Body: web.Member{UserID: change.UserID, Role: change.Role}}, nil
}
