package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ping/domain"
	"ping/internal/load/workload"
	"ping/internal/wait"
)

// Account is a user of the plan as the servers know them.
type Account struct {
	User     *workload.User
	email    string
	password string

	node        atomic.Int32 // which server, modulo their number
	credentials atomic.Pointer[credentials]
	renewing    sync.Mutex

	sockets []*Socket // one, unless an idle run gives the user several
}

// credentials are a session's tokens. They are replaced as a whole.
type credentials struct {
	bearer  string // the Authorization header's value
	refresh string
	renew   time.Time // when to replace them, well before they expire
}

// session is the contract's answer to register, login and refresh.
type session struct {
	User struct {
		ID domain.ID `json:"id"`
	} `json:"user"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
}

// Register registers the user, and gives them their id. run keeps the addresses
// of runs apart.
func (a *Account) Register(ctx context.Context, c *Caller, run string) error {
	a.email = fmt.Sprintf("load-%s-%d@example.com", run, a.User.Number)
	a.password = "load-" + run
	a.node.Store(int32(a.User.Number))
	err := a.authenticate(ctx, c, "/v1/auth/register", map[string]string{
		"email": a.email, "password": a.password, "display_name": fmt.Sprintf("Load %s %d", run, a.User.Number),
	})
	var p *Problem
	if errors.As(err, &p) && p.Status == fasthttp.StatusConflict {
		// An earlier attempt succeeded and its answer was lost.
		return a.login(ctx, c)
	}
	return err
}

func (a *Account) login(ctx context.Context, c *Caller) error {
	return a.authenticate(ctx, c, "/v1/auth/login", map[string]string{"email": a.email, "password": a.password})
}

// authenticate makes a call that answers with a session, and takes that.
func (a *Account) authenticate(ctx context.Context, c *Caller, path string, body map[string]string) error {
	c.Begin(fasthttp.MethodPost, path)
	c.SetKey(fmt.Sprintf("%s:%s:%d", a.email, path, time.Now().UnixNano()))
	c.SetJSON(body)
	if err := c.do(ctx, a, false); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var s session
	if err := c.Decode(&s); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if s.User.ID.IsZero() || s.AccessToken == "" || !a.User.ID.IsZero() && s.User.ID != a.User.ID {
		return fmt.Errorf("%s: the answer is not a session of the user", path)
	}
	a.take(s)
	return nil
}

// take makes a session's tokens the user's credentials. The id is written once,
// before anything else runs: senders and sockets read it without a lock.
func (a *Account) take(s session) {
	if a.User.ID.IsZero() {
		a.User.ID = s.User.ID
	}
	a.credentials.Store(&credentials{
		bearer:  "Bearer " + s.AccessToken,
		refresh: s.RefreshToken,
		renew:   time.Now().Add(time.Duration(s.ExpiresIn) * time.Second * 2 / 3),
	})
}

// ClaimHandle gives the user their handle, so that they can be mentioned.
func (a *Account) ClaimHandle(ctx context.Context, c *Caller, run string) error {
	c.Begin(fasthttp.MethodPatch, "/v1/users/me")
	c.SetKey(run + "-handle")
	c.SetJSON(map[string]string{"handle": a.User.Handle})
	return c.Do(ctx, a)
}

// renew replaces the credentials that were used, unless another caller just
// did. A refresh whose answer is lost must not be repeated, because a refresh
// token that is used twice ends the session: after any failure it logs in.
func (a *Account) renew(ctx context.Context, api *API, used *credentials) error {
	a.renewing.Lock()
	defer a.renewing.Unlock()
	if a.credentials.Load() != used {
		return nil
	}
	uncounted := api.Caller(NewCounts())
	uncounted.Begin(fasthttp.MethodPost, "/v1/auth/refresh")
	uncounted.SetJSON(map[string]string{"refresh_token": used.refresh})
	if p, _ := uncounted.attempt(a, false); p == nil {
		var s session
		if json.Unmarshal(uncounted.res.Body(), &s) == nil && s.User.ID == a.User.ID && s.AccessToken != "" {
			a.take(s)
			return nil
		}
	}
	return a.login(ctx, uncounted)
}

// KeepCredentials renews each account's credentials in time and tells its
// sockets, until ctx ends.
func KeepCredentials(ctx context.Context, api *API, accounts []*Account) {
	for wait.Sleep(ctx, 5*time.Second) {
		for _, a := range accounts {
			used := a.credentials.Load()
			if time.Now().Before(used.renew) {
				continue
			}
			if a.renew(ctx, api, used) != nil {
				continue // retried soon; a send that needs it says why it fails
			}
			for _, s := range a.sockets {
				s.refresh(a.credentials.Load())
			}
		}
	}
}
