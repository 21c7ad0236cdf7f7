package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

type addMemberInput struct {
	web.Write
	ConversationID domain.ID `path:"conversation_id"`
	Body           struct {
		UserID domain.ID    `json:"user_id"`
		Role   *domain.Role `json:"role,omitempty" doc:"The default is member."`
	}
}

type memberOutput struct {
	Status int
	web.Written
	Body web.Member
}

func addMemberOperation() huma.Operation {
	return reaching(http.MethodPost, conversationPath+"/members", "add-member", "Add a member", http.StatusCreated, "members",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrDirectIsFixed, domain.ErrUserNotFound, domain.ErrRoleInvalid)
}

// addMember makes a user a member: 201, or 200 with the present role of a member.
func (c *members) addMember(ctx context.Context, in *addMemberInput) (*memberOutput, error) {
	add := domain.AddMember{Actor: web.CallerFrom(ctx).UserID, UserID: in.Body.UserID, Role: domain.RoleMember}
	if in.Body.Role != nil {
		add.Role = *in.Body.Role
	}
	strangers, err := c.Identities.Unregistered(ctx, []domain.ID{add.UserID})
	if err != nil {
		return nil, err
	}
	done, err := c.decide(ctx, command(in.ConversationID, add.Actor, in.Key, in.Request()),
		func(conversation *domain.Conversation, _ int64) ([]domain.Event, error) {
			events, err := conversation.AddMember(add)
			if err == nil && len(strangers) > 0 {
				// Asked last: who may not add anyone learns of nobody.
				return nil, domain.ErrUserNotFound
			}
			return events, err
		})
	if err != nil {
		return nil, err
	}
	if done.Replayed {
		if err := c.requireMember(ctx, in.ConversationID, add.Actor); err != nil {
			return nil, err
		}
	}
	if len(done.Events) == 0 {
		role, err := c.roleOf(ctx, in.ConversationID, add.UserID)
		if err != nil {
			return nil, err
		}
		return &memberOutput{Status: http.StatusOK, Written: written(done), Body: web.Member{UserID: add.UserID, Role: role}}, nil
	}
	added, err := payload[domain.MemberAdded](done.Events[0])
	if err != nil {
		return nil, err
	}
	return &memberOutput{Status: http.StatusCreated, Written: written(done), Body: web.Member{UserID: added.UserID, Role: added.Role}}, nil
}

// roleOf returns a member's role; ErrUserNotFound when the user is not a member.
func (c *core) roleOf(ctx context.Context, conversation, user domain.ID) (domain.Role, error) {
	role, _, err := eventlog.Inspect(ctx, c.Log, eventlog.Conversations, conversation,
		func(state *domain.Conversation) domain.Role { return state.Members[user].Role })
	if err == nil && role == domain.NoRole {
		err = domain.ErrUserNotFound
	}
	return role, err
}
