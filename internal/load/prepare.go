package load

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"

	"ping/domain"
)

// firstMembers is how many members a conversation can be created with, its
// creator included; the others are added one by one.
const firstMembers = 1000

// each calls do for 0..n-1, with setupWorkers couriers at once. done counts.
func each(ctx context.Context, a *api, n int, done *atomic.Int64, do func(ctx context.Context, c *courier, i int) error) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range setupWorkers() {
		g.Go(func() error {
			c := a.courier(newCounts())
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(ctx, c, i); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	return g.Wait()
}

func registerAll(ctx context.Context, a *api, p *plan, run string, done *atomic.Int64) error {
	return each(ctx, a, len(p.users), done, func(ctx context.Context, c *courier, i int) error {
		return p.users[i].register(ctx, c, run)
	})
}

func claimAll(ctx context.Context, a *api, p *plan, run string, done *atomic.Int64) error {
	return each(ctx, a, len(p.users), done, func(ctx context.Context, c *courier, i int) error {
		return p.users[i].claimHandle(ctx, c, run)
	})
}

func createAll(ctx context.Context, a *api, p *plan, run string, done *atomic.Int64) error {
	return each(ctx, a, len(p.conversations), done, func(ctx context.Context, c *courier, i int) error {
		return p.conversations[i].create(ctx, c, run+"-group-"+strconv.Itoa(i))
	})
}

// create makes the group, with all its members.
func (c *conversation) create(ctx context.Context, from *courier, key string) error {
	owner, first, later := c.members[0], c.members[1:], []*user(nil)
	if len(c.members) > firstMembers {
		first, later = c.members[1:firstMembers], c.members[firstMembers:]
	}
	ids := make([]domain.ID, len(first))
	for i, u := range first {
		ids[i] = u.id
	}
	var made struct {
		ID domain.ID `json:"id"`
	}
	body := map[string]any{"kind": "group", "name": c.name, "members": ids}
	if err := c.post(ctx, from, owner, "/v1/conversations", key, body, &made); err != nil {
		return err
	}
	if made.ID.IsZero() {
		return fmt.Errorf("create %s: the answer is not a conversation", c.name)
	}
	c.id, c.idText = made.ID, made.ID.String()
	c.path = "/v1/conversations/" + c.idText + "/messages"
	for i, u := range later {
		body := map[string]any{"user_id": u.id}
		if err := c.post(ctx, from, owner, "/v1/conversations/"+c.idText+"/members", key+"-"+strconv.Itoa(i), body, nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *conversation) post(ctx context.Context, from *courier, as *user, path, key string, body, into any) error {
	from.begin(fasthttp.MethodPost, path)
	from.req.Header.SetContentType("application/json")
	from.req.Header.Set("Idempotency-Key", key)
	from.body, _ = json.Marshal(body) // ids and strings are always encoded
	if err := from.do(ctx, as, true); err != nil {
		return fmt.Errorf("POST %s: %w", path, err)
	}
	c.heard(from)
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(from.res.Body(), into); err != nil {
		return fmt.Errorf("POST %s: %w", path, err)
	}
	return nil
}
