package commands

import (
	"context"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

type blockInput struct {
	web.Action
	UserID domain.ID `path:"user_id"`
}

// blockUser ends what another can send to the caller directly. Groups that
// both are in stay as they are.
func (c *commands) blockUser(ctx context.Context, in *blockInput) (*writtenOutput, error) {
	strangers, err := c.Identities.Unregistered(ctx, []domain.ID{in.UserID})
	if err != nil {
		return nil, err
	}
	if len(strangers) > 0 {
		return nil, domain.ErrUserNotFound
	}
	return c.block(ctx, in, true)
}

func (c *commands) unblockUser(ctx context.Context, in *blockInput) (*writtenOutput, error) {
	return c.block(ctx, in, false)
}

func (c *commands) block(ctx context.Context, in *blockInput, on bool) (*writtenOutput, error) {
	block := domain.BlockUser{Actor: web.CallerFrom(ctx).UserID, UserID: in.UserID, On: on}
	done, err := eventlog.Execute(ctx, c.Log, eventlog.Users, command(block.Actor, block.Actor, in.Key, in.Request()),
		func(u *domain.User, _ int64) ([]domain.Event, error) { return u.Block(block) })
	if err != nil {
		return nil, err
	}
	return &writtenOutput{written(done)}, nil
}
