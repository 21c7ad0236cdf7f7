package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/internal/auth"
	"ping/internal/identity"
	"ping/internal/web"
)

type refreshInput struct {
	web.Write
	Body struct {
		RefreshToken string `json:"refresh_token" doc:"The refresh token of the latest session." maxLength:"200"`
	}
}

func refreshOperation() huma.Operation {
	return open(operation(http.MethodPost, "/v1/auth/refresh", "refresh", "Refresh a session", http.StatusOK, "auth",
		identity.ErrRefreshTokenInvalid))
}

// refresh exchanges a refresh token. Under an Idempotency-Key the new token
// follows from the old one and the key, so that a client whose answer was
// lost can ask again; without a key a second use is taken for a theft.
func (c *sessions) refresh(ctx context.Context, in *refreshInput) (*sessionOutput, error) {
	old, next := in.Body.RefreshToken, auth.NewSecret()
	if in.Key != "" {
		next = c.Tokens.DeriveSecret("refresh", old, in.Key)
	}
	owner, ok, err := c.Identities.Exchange(ctx, old, next)
	if err != nil {
		return nil, err
	}
	replayed := false
	if !ok {
		if owner, replayed, err = c.Identities.Exchanged(ctx, old, next); err != nil {
			return nil, err
		}
		if !replayed {
			return nil, c.refuseRefresh(ctx, old)
		}
	}
	user, at, err := c.profile(ctx, owner.User)
	if err != nil {
		return nil, err
	}
	out := c.session(user, owner.Session, next)
	out.Written = web.WrittenAt(at.String(), replayed)
	return out, nil
}

// refuseRefresh refuses a token and, if it was used before, ends its session.
func (c *sessions) refuseRefresh(ctx context.Context, token string) error {
	session, err := c.Identities.RevokeUsed(ctx, token)
	if err != nil {
		return err
	}
	if !session.IsZero() {
		c.Logger.Warn("refresh token used twice, session revoked", "session_id", session.String())
		c.tellEnded(ctx, session)
	}
	return identity.ErrRefreshTokenInvalid
}
