package commands

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/identity"
	"ping/internal/limits"
	"ping/internal/web"
)

// registerKey is the key of every user.registered: a user's stream has one.
const registerKey = "register"

type registerInput struct {
	web.Write
	Body struct {
		Email       string `json:"email" doc:"Case does not matter." example:"ada@example.org"`
		Password    string `json:"password" doc:"8-72 bytes in UTF-8." example:"correct horse battery"`
		DisplayName string `json:"display_name" doc:"1-100 characters after trimming." example:"Ada"`
	}
}

func registerOperation() huma.Operation {
	return web.Limited(open(operation(http.MethodPost, "/v1/auth/register", "register", "Register", http.StatusCreated, "auth",
		identity.ErrEmailInvalid, identity.ErrPasswordInvalid, domain.ErrNameInvalid, identity.ErrEmailTaken, web.ErrBusy)), limits.Register)
}

// register makes a user and logs them in.
func (c *sessions) register(ctx context.Context, in *registerInput) (*sessionOutput, error) {
	email, err := identity.NormalEmail(in.Body.Email)
	if err != nil {
		return nil, err
	}
	if err := identity.CheckPassword(in.Body.Password); err != nil {
		return nil, err
	}
	if err := (domain.RegisterUser{DisplayName: in.Body.DisplayName}).Check(); err != nil {
		return nil, err
	}
	known, err := c.Identities.Find(ctx, email)
	if err != nil {
		return nil, err
	}
	if known.UserID.IsZero() {
		return c.registerNew(ctx, in, email)
	}
	return c.registerKnown(ctx, in, known)
}

func (c *sessions) registerNew(ctx context.Context, in *registerInput, email string) (*sessionOutput, error) {
	hash, err := c.passwords.Hash(ctx, in.Body.Password)
	if err != nil {
		return nil, err
	}
	fresh := identity.Credentials{UserID: eventlog.NewID(), PasswordHash: hash, DisplayName: in.Body.DisplayName, RegisterKey: in.Key}
	added, err := c.Identities.Add(ctx, email, fresh)
	if err != nil {
		return nil, err
	}
	if !added { // another took the address just now, or the same one tries twice
		known, err := c.Identities.Find(ctx, email)
		if err != nil {
			return nil, err
		}
		return c.registerKnown(ctx, in, known)
	}
	return c.finishRegistration(ctx, in, fresh)
}

// registerKnown answers a registration for an address that has credentials:
// it may retry one that succeeded, or finish one that did not. Both need the
// password; anyone else learns that the address is taken.
func (c *sessions) registerKnown(ctx context.Context, in *registerInput, known identity.Credentials) (*sessionOutput, error) {
	retry := in.Key != "" && in.Key == known.RegisterKey
	if known.Registered && !retry {
		return nil, identity.ErrEmailTaken
	}
	match, err := c.passwords.Match(ctx, known.PasswordHash, in.Body.Password)
	switch {
	case err != nil:
		return nil, err
	case !match && retry:
		return nil, eventlog.ErrKeyReused
	case !match:
		return nil, identity.ErrEmailTaken
	case !known.Registered:
		known.DisplayName, known.RegisterKey = in.Body.DisplayName, in.Key
		if err := c.Identities.Adopt(ctx, known); err != nil {
			return nil, err
		}
	}
	return c.finishRegistration(ctx, in, known)
}

func (c *sessions) finishRegistration(ctx context.Context, in *registerInput, who identity.Credentials) (*sessionOutput, error) {
	done, err := c.appendRegistered(ctx, who.UserID, in.Body.DisplayName)
	if err != nil {
		return nil, err
	}
	registered, err := payload[domain.UserRegistered](done.Events[0])
	if err != nil {
		return nil, err
	}
	// The log had the event only if this is a retry under the same key, or
	// heals a crash after it: then the name of then stands.
	if done.Replayed && who.Registered && registered.DisplayName != strings.TrimSpace(in.Body.DisplayName) {
		return nil, eventlog.ErrKeyReused
	}
	out, err := c.openSession(ctx, web.UserOf(who.UserID, domain.Profile{DisplayName: registered.DisplayName}))
	if err != nil {
		return nil, err
	}
	out.Status = http.StatusCreated
	out.Written = web.WrittenAt(done.At.String(), who.Registered)
	return out, nil
}

// appendRegistered puts user.registered into the log, or finds it there, and
// notes that it is. The fingerprint is the same for all: the one registration
// of a user is never another request.
func (c *sessions) appendRegistered(ctx context.Context, user domain.ID, displayName string) (eventlog.Result, error) {
	cmd := eventlog.Command{Stream: user, Key: registerKey, Actor: user}
	done, err := eventlog.Execute(ctx, c.Log, eventlog.Users, cmd, func(u *domain.User, _ int64) ([]domain.Event, error) {
		return u.Register(domain.RegisterUser{DisplayName: displayName})
	})
	if err != nil {
		return done, err
	}
	return done, c.Identities.MarkRegistered(ctx, user)
}
