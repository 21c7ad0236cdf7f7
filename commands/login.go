package commands

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/identity"
	"ping/internal/limits"
	"ping/internal/web"
)

type loginInput struct {
	web.Write
	Body struct {
		Email    string `json:"email" example:"ada@example.org"`
		Password string `json:"password" example:"correct horse battery"`
	}
}

type sessionOutput struct {
	Status int
	web.Written
	Body web.Session
}

func loginOperation() huma.Operation {
	return web.Limited(open(operation(http.MethodPost, "/v1/auth/login", "login", "Log in", http.StatusOK, "auth",
		identity.ErrInvalidCredentials, web.ErrBusy)), limits.Login)
}

// login begins a session. A retry begins another: that harms nobody, and the
// tokens of the first are not kept to be shown again.
func (c *sessions) login(ctx context.Context, in *loginInput) (*sessionOutput, error) {
	var known identity.Credentials
	if email, err := identity.NormalEmail(in.Body.Email); err == nil {
		if err := c.LimitLogin(ctx, email); err != nil {
			return nil, err
		}
		if known, err = c.Identities.Find(ctx, email); err != nil {
			return nil, err
		}
	}
	match, err := c.passwords.Match(ctx, known.PasswordHash, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !match {
		return nil, identity.ErrInvalidCredentials
	}
	if !known.Registered {
		if _, err := c.appendRegistered(ctx, known.UserID, known.DisplayName); err != nil {
			return nil, err
		}
	}
	user, at, err := c.profile(ctx, known.UserID)
	if err != nil {
		return nil, err
	}
	out, err := c.openSession(ctx, user)
	if err != nil {
		return nil, err
	}
	out.Written = web.WrittenAt(at.String(), false)
	return out, nil
}

// openSession begins a session of a user and makes its answer.
func (c *sessions) openSession(ctx context.Context, user web.User) (*sessionOutput, error) {
	session, refresh, err := c.Identities.OpenSession(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	return c.session(user, session, refresh), nil
}

func (c *sessions) session(user web.User, session domain.ID, refresh string) *sessionOutput {
	access, life := c.Tokens.Issue(user.ID, session)
	return &sessionOutput{Status: http.StatusOK, Body: web.Session{
		User: user, AccessToken: access, RefreshToken: refresh, ExpiresIn: int(life / time.Second),
	}}
}

// profile returns a user as their own stream has them, and the position of its
// last event.
func (c *core) profile(ctx context.Context, id domain.ID) (web.User, eventlog.At, error) {
	profile, at, err := eventlog.Inspect(ctx, c.Log, eventlog.Users, id, func(u *domain.User) domain.Profile { return u.Profile })
	return web.UserOf(id, profile), at, err
}
