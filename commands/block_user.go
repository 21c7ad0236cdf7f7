package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

type blockInput struct {
	web.Action
	UserID domain.ID `path:"user_id"`
}

func blockUserOperation() huma.Operation {
	return reaching(http.MethodPut, "/v1/users/me/blocks/{user_id}", "block-user", "Block a user", http.StatusNoContent, "users",
		domain.ErrUserNotFound, domain.ErrBlockSelf, domain.ErrTooManyBlocked)
}

// blockUser ends what another can send to the caller directly. Groups that
// both are in stay as they are.
func (c *accounts) blockUser(ctx context.Context, in *blockInput) (*writtenOutput, error) {
	strangers, err := c.Identities.Unregistered(ctx, []domain.ID{in.UserID})
	if err != nil {
		return nil, err
	}
	if len(strangers) > 0 {
		return nil, domain.ErrUserNotFound
	}
	return c.block(ctx, in, true)
}

func unblockUserOperation() huma.Operation {
	return reaching(http.MethodDelete, "/v1/users/me/blocks/{user_id}", "unblock-user", "Unblock a user", http.StatusNoContent, "users",
		domain.ErrUserNotFound, domain.ErrBlockSelf)
}

func (c *accounts) unblockUser(ctx context.Context, in *blockInput) (*writtenOutput, error) {
	return c.block(ctx, in, false)
}

func (c *accounts) block(ctx context.Context, in *blockInput, on bool) (*writtenOutput, error) {
	block := domain.BlockUser{Actor: web.CallerFrom(ctx).UserID, UserID: in.UserID, On: on}
	done, err := eventlog.Execute(ctx, c.Log, eventlog.Users, command(block.Actor, block.Actor, in.Key, in.Request()),
		func(u *domain.User, _ int64) ([]domain.Event, error) { return u.Block(block) })
	if err != nil {
		return nil, err
	}
	return &writtenOutput{written(done)}, nil
}
