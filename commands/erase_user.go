package commands

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/identity"
	"ping/internal/web"
)

var errPasswordWrong = &domain.Error{Kind: domain.Unauthenticated, Code: identity.ErrInvalidCredentials.Code, Message: "The password is wrong."}

type eraseUserInput struct {
	web.Write
	Body struct {
		Password string `json:"password" doc:"The caller's password, because a token may have been stolen." example:"correct horse battery"`
	}
}

func eraseUserOperation() huma.Operation {
	return operation(http.MethodDelete, "/v1/users/me", "erase-user", "Erase my account", http.StatusAccepted, "users",
		identity.ErrInvalidCredentials, web.ErrBusy, web.ErrRateLimited)
}

// eraseUser erases the caller. When it answers, their credentials and sessions are
// deleted, and their data is being removed, see internal/erasure. A retry finds no
// credentials.
func (c *accounts) eraseUser(ctx context.Context, in *eraseUserInput) (*writtenOutput, error) {
	user := web.CallerFrom(ctx).UserID
	if err := c.LimitLogin(ctx, user.String()); err != nil {
		return nil, err // passwords are not to be guessed here either
	}
	hash, err := c.Identities.PasswordHash(ctx, user)
	if err != nil {
		return nil, err
	}
	match, err := c.passwords.Match(ctx, hash, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if match {
		match, err = c.Identities.RequestErasure(ctx, user, hash)
	}
	if err != nil {
		return nil, err
	}
	if !match {
		return nil, errPasswordWrong
	}
	c.tellErased(ctx, user)
	defer c.Eraser.Wake()
	at, err := c.Eraser.EraseUser(ctx, user)
	if err != nil {
		// It has begun and goes on without this request.
		c.Logger.Warn("user.erased is appended later", "error", err)
		return &writtenOutput{}, nil
	}
	return &writtenOutput{web.WrittenAt(at.String(), false)}, nil
}

// tellErased makes all nodes refuse the user's access tokens and close their
// sockets. Without Redis, the other nodes read it from Postgres.
func (c *accounts) tellErased(ctx context.Context, user domain.ID) {
	// Even if the client has disconnected.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := c.Revocations.RevokeUser(ctx, user); err != nil {
		c.Logger.Warn("other nodes learn from Postgres that a user was erased", "user_id", user.String(), "error", err)
	}
}
