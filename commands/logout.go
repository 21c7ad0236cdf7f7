package commands

import (
	"context"
	"time"

	"ping/domain"
	"ping/internal/web"
)

// logout ends the caller's session. The access token stays good until it
// expires, at most 15 minutes, for any node verifies it by itself.
func (c *commands) logout(ctx context.Context, _ *web.Action) (*struct{}, error) {
	session := web.CallerFrom(ctx).SessionID
	if err := c.identities.revoke(ctx, session); err != nil {
		return nil, err
	}
	c.tellEnded(ctx, session)
	return nil, nil
}

// tellEnded lets the nodes close the session's sockets. Without Redis they
// learn it when the access token expires; the session has ended all the same.
func (c *commands) tellEnded(ctx context.Context, session domain.ID) {
	// Also when the client has hung up by now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := c.endings.Tell(ctx, session); err != nil {
		c.logger.Warn("sockets of an ended session stay open until its token expires", "session_id", session.String(), "error", err)
	}
}
