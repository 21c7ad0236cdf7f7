package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/sethvargo/go-retry"
	"github.com/valyala/fasthttp"

	"ping/domain"
	"ping/internal/wait"
)

// ErrGaveUp ends a call that was retried for as long as allowed.
var ErrGaveUp = errors.New("gave up retrying")

// Caller makes one call at a time; it reuses its buffers.
type Caller struct {
	api    *API
	counts *Counts
	req    fasthttp.Request
	res    fasthttp.Response
	body   []byte
}

// Caller returns a caller whose failed attempts are counted.
func (a *API) Caller(c *Counts) *Caller { return &Caller{api: a, counts: c} }

// Begin prepares a call; a body and a key may follow, then Do.
func (c *Caller) Begin(method, path string) {
	c.req.Reset()
	c.req.Header.SetMethod(method)
	c.req.SetRequestURI(path)
	c.body = c.body[:0]
}

// SetKey sets the call's Idempotency-Key.
func (c *Caller) SetKey(key string) { c.req.Header.Set("Idempotency-Key", key) }

// SetJSON makes v, which must be encodable, the call's body.
func (c *Caller) SetJSON(v any) {
	c.req.Header.SetContentType("application/json")
	c.body, _ = json.Marshal(v) // the caller's values always encode
}

// SetMessage makes a message the call's body, without an allocation. A zero
// replyTo is left out.
func (c *Caller) SetMessage(body string, replyTo domain.ID) {
	c.req.Header.SetContentType("application/json")
	c.body = appendJSONString(append(c.body, `{"body":`...), body)
	if !replyTo.IsZero() {
		c.body = append(c.body, `,"reply_to":"`...)
		c.body, _ = replyTo.AppendText(c.body) // ids always encode
		c.body = append(c.body, '"')
	}
	c.body = append(c.body, '}')
}

// Decode reads the answer's JSON.
func (c *Caller) Decode(into any) error { return json.Unmarshal(c.res.Body(), into) }

// Message reads the answer to a send or an edit: the message's id and seq.
func (c *Caller) Message() (id domain.ID, seq int64, err error) {
	a, err := readAnswer(c.res.Body())
	return a.id, a.seq, err
}

// Position is the position that the answer tells, if it tells one.
func (c *Caller) Position() (partition int, position int64, ok bool) {
	at := c.res.Header.Peek("Ping-Position")
	if len(at) == 0 {
		return 0, 0, false
	}
	partition, position, err := ParsePosition(string(at))
	return partition, position, err == nil
}

// Do makes the prepared call as an account until it has a definite answer, and
// keeps a 2xx answer. It returns a *Problem for a refusal; ErrGaveUp, wrapping
// the last problem, when the time for retries is over; or the error of ctx.
// After the last two it is not known whether the call had an effect.
func (c *Caller) Do(ctx context.Context, a *Account) error { return c.do(ctx, a, true) }

func (c *Caller) do(ctx context.Context, a *Account, authenticated bool) error {
	var began time.Time
	var backoff retry.Backoff
	renewed := 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, used := c.attempt(a, authenticated)
		if p == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err() // Close has ended the connections
		}
		c.counts.attempt(p)
		if p.Status == fasthttp.StatusUnauthorized && authenticated && renewed < 3 {
			renewed++
			if err := a.renew(ctx, c.api, used); err != nil {
				return err
			}
			continue
		}
		if !p.Retryable() {
			return p
		}
		if backoff == nil {
			began, backoff = time.Now(), newBackoff()
		}
		if time.Since(began) > c.api.retryFor {
			return fmt.Errorf("%w after %s: %w", ErrGaveUp, c.api.retryFor, p)
		}
		c.counts.Retries.Add(1)
		if !wait.Sleep(ctx, next(backoff, p.after)) {
			return ctx.Err()
		}
	}
}

// attempt makes the call once. It returns the credentials that it used.
func (c *Caller) attempt(a *Account, authenticated bool) (*Problem, *credentials) {
	node := c.api.nodes[int(a.node.Load())%len(c.api.nodes)]
	c.req.Header.SetHost(node.Addr)
	c.req.SetBodyRaw(c.body)
	var used *credentials
	if authenticated {
		used = a.credentials.Load()
		c.req.Header.Set("Authorization", used.bearer)
	}
	c.res.Reset()
	if err := node.Do(&c.req, &c.res); err != nil {
		a.node.Add(1) // the next attempt goes to the next server, if there is one
		return &Problem{Code: networkCode(err)}, used
	}
	status := c.res.StatusCode()
	if status >= 200 && status < 300 {
		return nil, used
	}
	return problemOf(status, c.res.Body(), string(c.res.Header.Peek("Retry-After"))), used
}

// Get reads a path as an account. minPosition makes the server wait for its read
// models; "" does not.
func (c *Caller) Get(ctx context.Context, a *Account, path, minPosition string, into any) error {
	c.Begin(fasthttp.MethodGet, path)
	if minPosition != "" {
		c.req.Header.Set("Ping-Min-Position", minPosition)
	}
	if err := c.Do(ctx, a); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err := c.Decode(into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// pageSize is the maximum of the contract.
const pageSize = 200

// Pages reads a list to its end, and gives each item to take. cursor is the name
// of the parameter that continues it.
func Pages[T any](ctx context.Context, c *Caller, a *Account, path, cursor, minPosition string, take func(*T)) error {
	for next := ""; ; {
		query := "?limit=" + strconv.Itoa(pageSize)
		if next != "" {
			query += "&" + cursor + "=" + url.QueryEscape(next)
		}
		var page struct {
			Items []T     `json:"items"`
			Next  *string `json:"next"`
		}
		if err := c.Get(ctx, a, path+query, minPosition, &page); err != nil {
			return err
		}
		for i := range page.Items {
			take(&page.Items[i])
		}
		if page.Next == nil {
			return nil
		}
		if *page.Next == next || len(page.Items) == 0 {
			return fmt.Errorf("read %s: the pages do not end", path)
		}
		next = *page.Next
	}
}
