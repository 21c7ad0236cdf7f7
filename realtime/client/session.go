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

// Session is what a client authenticates with: that of LogIn or SessionOf, and
// later what Handler.Session is given. Keep it as a whole, the first one too. One
// session is for one client.
type Session struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	// RefreshAt is when to get the next tokens: before the access token expires.
	// The zero time is: at once.
	RefreshAt time.Time `json:"refresh_at"`
	// RefreshKey is the Idempotency-Key of that. It belongs to the refresh token:
	// a refresh whose answer was lost is repeated with it, while a second one
	// with another key would end the session. It is random, and not made of the
	// token: so whoever stole the token alone is found out.
	RefreshKey string `json:"refresh_key"`
}

// Ended is why a client does not go on by itself.
type Ended struct {
	// Code is a close code of the stream, 4500-4999 or one of RFC 6455 that says
	// that this client is wrong; or 401: the session is over, log in again.
	Code   int
	Reason string
}

func (e *Ended) Error() string { return fmt.Sprintf("ended with %d: %s", e.Code, e.Reason) }

// issued is the server's answer with a session.
type issued struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
}

func (i *issued) complete() bool { return i.AccessToken != "" && i.RefreshToken != "" }

// session notes when to refresh: with a fifth of the token's life left, by the
// clock on the wall, which goes on while a device sleeps.
func (i *issued) session() Session {
	life := max(time.Duration(i.ExpiresIn)*time.Second*4/5, time.Second)
	return Session{
		AccessToken: i.AccessToken, RefreshToken: i.RefreshToken, RefreshKey: uuid.NewString(),
		RefreshAt: time.Now().Add(life).Round(0),
	}
}

// LogIn begins a session. It is tried once: an error is a *Refusal, or that of
// the connection.
func LogIn(ctx context.Context, server, email, password string) (Session, error) {
	via := newHTTP()
	defer via.CloseIdleConnections()
	var answer issued
	body := map[string]string{"email": email, "password": password}
	if err := try(ctx, via, server, "", request{method: http.MethodPost, path: "/v1/auth/login", body: body}, &answer); err != nil {
		return Session{}, fmt.Errorf("log in: %w", err)
	}
	return answer.session(), nil
}

// SessionOf makes a session of the body of an answer to registering or logging
// in. Do so at once: it says how long the tokens are good from now on.
func SessionOf(body []byte) (Session, error) {
	var answer issued
	if err := json.Unmarshal(body, &answer); err != nil {
		return Session{}, fmt.Errorf("read a session: %w", err)
	}
	if !answer.complete() {
		return Session{}, fmt.Errorf("read a session: %w", errIncomplete)
	}
	return answer.session(), nil
}

// accessToken returns a token that is good, as far as is known. Where it has to
// be refreshed first, one caller does so and the others wait.
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

// refresh exchanges the session's tokens for the next ones, however often it
// has to be tried.
func (c *Client) refresh(ctx context.Context, old Session) (string, error) {
	var answer issued
	body := map[string]string{"refresh_token": old.RefreshToken}
	r := request{method: http.MethodPost, path: "/v1/auth/refresh", key: old.RefreshKey, body: body}
	for n := 0; ; n++ {
		err := try(ctx, c.http, c.server, "", r, &answer)
		if err == nil {
			break
		}
		after, final := c.judge(err, "")
		var refused *Refusal
		if errors.As(err, &refused) && (final || refused.Code == "refresh_token_invalid") {
			ended := &Ended{Code: http.StatusUnauthorized, Reason: refused.Code}
			c.end(ended)
			return "", ended
		}
		if !c.pause(ctx, n, after) {
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

// spend notes that a token is not good any more.
func (c *Client) spend(token string) {
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
