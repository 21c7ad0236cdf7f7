package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// Session is what a client authenticates with: the one of LogIn or SessionOf, and
// later those that Handler.Session receives. Store all of it, including the first
// one. A session belongs to one client.
type Session struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	// RefreshAt is when to obtain the next tokens: before the access token
	// expires. The zero time means now.
	RefreshAt time.Time `json:"refresh_at"`
	// RefreshKey is the Idempotency-Key of the next refresh. It belongs to the
	// refresh token: a refresh whose answer was lost is repeated with it, while a
	// second one with another key ends the session. It is random and not derived
	// from the token, so that a thief who has only the token is detected.
	RefreshKey string `json:"refresh_key"`
}

// Ended is why a client does not reconnect.
type Ended struct {
	// Code is a close code: 4500-4999, or one of RFC 6455 that says that the client
	// is faulty; or 401: the session has ended, log in again.
	Code   int
	Reason string
}

func (e *Ended) Error() string { return fmt.Sprintf("ended with %d: %s", e.Code, e.Reason) }

// issued is the server's response with a session.
type issued struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
}

func (i *issued) valid() bool { return i.AccessToken != "" && i.RefreshToken != "" }

// session schedules the refresh with a fifth of the token's life left, by the wall
// clock, which continues while a device sleeps.
func (i *issued) session() Session {
	life := max(time.Duration(i.ExpiresIn)*time.Second*4/5, time.Second)
	return Session{
		AccessToken: i.AccessToken, RefreshToken: i.RefreshToken, RefreshKey: uuid.NewString(),
		RefreshAt: time.Now().Add(life).Round(0),
	}
}

// LogIn starts a session. It makes one attempt: an error is a *Refusal, or that of
// the connection.
func LogIn(ctx context.Context, server, email, password string) (Session, error) {
	via := newHTTP()
	defer via.CloseIdleConnections()
	var answer issued
	body := map[string]string{"email": email, "password": password}
	if err := doOnce(ctx, via, server, "", request{method: http.MethodPost, path: "/v1/auth/login", body: body}, &answer); err != nil {
		return Session{}, fmt.Errorf("log in: %w", err)
	}
	return answer.session(), nil
}

// SessionOf makes a session from the body of a response to a registration or a
// login. Call it at once: the lifetimes in the response count from now.
func SessionOf(body []byte) (Session, error) {
	var answer issued
	if err := json.Unmarshal(body, &answer); err != nil {
		return Session{}, fmt.Errorf("read a session: %w", err)
	}
	if !answer.valid() {
		return Session{}, fmt.Errorf("read a session: %w", errNotPing)
	}
	return answer.session(), nil
}

// accessToken returns a token that is valid as far as is known. If it has to be
// refreshed first, one caller does so and the others wait.
func (c *Client) accessToken(ctx context.Context) (string, error) {
	select {
	case c.refreshing <- struct{}{}:
		defer func() { <-c.refreshing }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	session := c.currentSession()
	if time.Now().Before(session.RefreshAt) {
		return session.AccessToken, nil
	}
	return c.refresh(ctx, session)
}

// refresh exchanges the session's tokens for the next ones, with retries.
func (c *Client) refresh(ctx context.Context, old Session) (string, error) {
	var answer issued
	body := map[string]string{"refresh_token": old.RefreshToken}
	r := request{method: http.MethodPost, path: "/v1/auth/refresh", key: old.RefreshKey, body: body}
	for n := 0; ; n++ {
		err := doOnce(ctx, c.http, c.server, "", r, &answer)
		if err == nil {
			break
		}
		after, final := c.classify(err, "")
		var refused *Refusal
		if errors.As(err, &refused) && (final || refused.Code == "refresh_token_invalid") {
			ended := &Ended{Code: http.StatusUnauthorized, Reason: refused.Code}
			c.end(ended)
			return "", ended
		}
		if !c.backOff(ctx, n, after) {
			return "", ctx.Err()
		}
	}
	next := answer.session()
	c.mu.Lock()
	c.session = next
	c.mu.Unlock()
	c.handler.Session(next)
	return next.AccessToken, nil
}

// invalidateToken makes the next accessToken refresh the session.
func (c *Client) invalidateToken(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.AccessToken == token {
		c.session.RefreshAt = time.Time{}
	}
}

func (c *Client) currentSession() Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}
