package load

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
	"ping/internal/wait"
)

// user is someone registered for this run.
type user struct {
	number   int
	id       domain.ID
	email    string
	password string
	handle   string // with a mix; "" for none

	node        atomic.Int32 // which server, modulo their number
	credentials atomic.Pointer[credentials]
	renewing    sync.Mutex

	sockets []*socket // one, unless an idle run gives him several
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

// register makes the user known to the server. run keeps the addresses of
// runs apart.
func (u *user) register(ctx context.Context, c *courier, run string) error {
	u.email = fmt.Sprintf("load-%s-%d@example.com", run, u.number)
	u.password = "load-" + run
	u.node.Store(int32(u.number))
	err := u.authenticate(ctx, c, "/v1/auth/register", map[string]string{
		"email": u.email, "password": u.password, "display_name": fmt.Sprintf("Load %s %d", run, u.number),
	})
	var p *problem
	if errors.As(err, &p) && p.status == fasthttp.StatusConflict {
		// An earlier attempt succeeded and its answer was lost.
		return u.login(ctx, c)
	}
	return err
}

func (u *user) login(ctx context.Context, c *courier) error {
	return u.authenticate(ctx, c, "/v1/auth/login", map[string]string{"email": u.email, "password": u.password})
}

// authenticate makes a call that answers with a session, and takes that.
func (u *user) authenticate(ctx context.Context, c *courier, path string, body map[string]string) error {
	c.begin(fasthttp.MethodPost, path)
	c.req.Header.SetContentType("application/json")
	c.req.Header.Set("Idempotency-Key", accountKey(u.email, path, time.Now()))
	c.body, _ = json.Marshal(body) // strings are always encoded
	if err := c.do(ctx, u, false); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var s session
	if err := json.Unmarshal(c.res.Body(), &s); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if s.User.ID.IsZero() || s.AccessToken == "" || !u.id.IsZero() && s.User.ID != u.id {
		return fmt.Errorf("%s: the answer is not a session of the user", path)
	}
	u.take(s)
	return nil
}

// take makes a session's tokens the user's credentials. The id is written once,
// before anything else runs: senders and sockets read it without a lock.
func (u *user) take(s session) {
	if u.id.IsZero() {
		u.id = s.User.ID
	}
	u.credentials.Store(&credentials{
		bearer:  "Bearer " + s.AccessToken,
		refresh: s.RefreshToken,
		renew:   time.Now().Add(time.Duration(s.ExpiresIn) * time.Second * 2 / 3),
	})
}

// accountKey makes an Idempotency-Key for one call about an account.
func accountKey(email, path string, at time.Time) string {
	return fmt.Sprintf("%s:%s:%d", email, path, at.UnixNano())
}

// renew replaces the credentials that were used, unless another caller just
// did. A refresh whose answer is lost must not be repeated, for a refresh
// token used twice ends the session: so after any failure it logs in.
func (u *user) renew(ctx context.Context, a *api, used *credentials) error {
	u.renewing.Lock()
	defer u.renewing.Unlock()
	if u.credentials.Load() != used {
		return nil
	}
	quiet := a.courier(newCounts())
	quiet.begin(fasthttp.MethodPost, "/v1/auth/refresh")
	quiet.req.Header.SetContentType("application/json")
	quiet.body, _ = json.Marshal(map[string]string{"refresh_token": used.refresh})
	if p, _ := quiet.attempt(u, false); p == nil {
		var s session
		if json.Unmarshal(quiet.res.Body(), &s) == nil && s.User.ID == u.id && s.AccessToken != "" {
			u.take(s)
			return nil
		}
	}
	return u.login(ctx, quiet)
}

// keepCredentials renews each user's credentials in time and tells his
// sockets, until ctx ends.
func keepCredentials(ctx context.Context, a *api, users []*user) {
	for wait.Sleep(ctx, 5*time.Second) {
		for _, u := range users {
			used := u.credentials.Load()
			if time.Now().Before(used.renew) {
				continue
			}
			if u.renew(ctx, a, used) != nil {
				continue // tried again soon; a send that needs it says why it fails
			}
			for _, s := range u.sockets {
				s.refresh(u.credentials.Load())
			}
		}
	}
}
