package commands

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/web"
)

func logoutOperation() huma.Operation {
	return operation(http.MethodPost, "/v1/auth/logout", "logout", "Log out", http.StatusNoContent, "auth")
}

// logout ends the caller's session. From its answer on this node refuses the
// access token too, and a retry with it.
func (c *sessions) logout(ctx context.Context, _ *web.Action) (*struct{}, error) {
	session := web.CallerFrom(ctx).SessionID
	if err := c.Identities.Revoke(ctx, session); err != nil {
		return nil, err
	}
	c.tellEnded(ctx, session)
	return nil, nil
}

// tellEnded lets the nodes refuse the session's access tokens and close its
// sockets. Without Redis the other nodes read it from Postgres soon.
func (c *sessions) tellEnded(ctx context.Context, session domain.ID) {
	// Also when the client has hung up by now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := c.Revocations.RevokeSession(ctx, session); err != nil {
		c.Logger.Warn("other nodes learn later that a session ended", "session_id", session.String(), "error", err)
	}
}
