package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/web"
)

var errPasswordWrong = &domain.Error{Kind: domain.Unauthenticated, Code: errInvalidCredentials.Code, Message: "The password is wrong."}

type eraseUserInput struct {
	web.Write
	Body struct {
		Password string `json:"password" doc:"The caller's password, because a token may have been stolen." example:"correct horse battery"`
	}
}

// eraseUser erases the caller. When it answers, their credentials and sessions are
// deleted, and their data is being removed, see internal/erasure. A retry finds no
// credentials.
func (c *commands) eraseUser(ctx context.Context, in *eraseUserInput) (*writtenOutput, error) {
	user := web.CallerFrom(ctx).UserID
	if err := c.limitLogin(ctx, user.String()); err != nil {
		return nil, err // passwords are not to be guessed here either
	}
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

// tellErased makes all nodes refuse the user's access tokens and close their
// sockets. Without Redis, the other nodes read it from Postgres.
func (c *commands) tellErased(ctx context.Context, user domain.ID) {
	// Even if the client has disconnected.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := c.endings.TellUser(ctx, user); err != nil {
		c.logger.Warn("other nodes learn from Postgres that a user was erased", "user_id", user.String(), "error", err)
	}
}

// passwordHash returns the hash of a user's password; "" without credentials.
func (i *identities) passwordHash(ctx context.Context, user domain.ID) (hash string, err error) {
	err = i.pool.QueryRow(ctx, `SELECT password_hash FROM identity.credentials WHERE user_id = $1`, [16]byte(user)).Scan(&hash)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("read password: %w", err)
	}
	return hash, nil
}

// erase deletes a user's credentials and what refers to them, and requests the
// erasure of the rest: both or neither. It returns false if the password has
// changed meanwhile, or the user has no credentials.
func (i *identities) erase(ctx context.Context, user domain.ID, passwordHash string) (bool, error) {
	tag, err := i.pool.Exec(ctx, `
WITH gone AS (
    DELETE FROM identity.credentials WHERE user_id = $1 AND password_hash = $2 RETURNING user_id
)
INSERT INTO identity.erasures (user_id) SELECT user_id FROM gone`, [16]byte(user), passwordHash)
	if err != nil {
		return false, fmt.Errorf("erase credentials: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}
