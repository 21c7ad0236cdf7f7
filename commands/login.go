package commands

import (
	"context"
	"net/http"
	"time"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

var errInvalidCredentials = &domain.Error{Kind: domain.Unauthenticated, Code: "invalid_credentials", Message: "The e-mail address or the password is wrong."}

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

// login begins a session. A retry begins another: that harms nobody, and the
// tokens of the first are not kept to be shown again.
func (c *commands) login(ctx context.Context, in *loginInput) (*sessionOutput, error) {
	var known credentials
	if email, err := normalEmail(in.Body.Email); err == nil {
		if err := c.limitLogin(ctx, email); err != nil {
			return nil, err
		}
		if known, err = c.identities.find(ctx, email); err != nil {
			return nil, err
		}
	}
	match, err := c.passwords.match(ctx, known.PasswordHash, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !match {
		return nil, errInvalidCredentials
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
func (c *commands) openSession(ctx context.Context, user web.User) (*sessionOutput, error) {
	session, refresh, err := c.identities.openSession(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	return c.session(user, session, refresh), nil
}

func (c *commands) session(user web.User, session domain.ID, refresh string) *sessionOutput {
	access, life := c.tokens.Issue(user.ID, session)
	return &sessionOutput{Status: http.StatusOK, Body: web.Session{
		User: user, AccessToken: access, RefreshToken: refresh, ExpiresIn: int(life / time.Second),
	}}
}

// profile returns a user as their own stream has them, and the position of its
// last event.
func (c *commands) profile(ctx context.Context, id domain.ID) (web.User, eventlog.At, error) {
	profile, at, err := eventlog.Inspect(ctx, c.log, eventlog.Users, id, func(u *domain.User) domain.Profile { return u.Profile })
	return web.UserOf(id, profile), at, err
}
