package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// requestTimeout bounds one attempt; a server that does not answer is retried.
const requestTimeout = 15 * time.Second

// Refusal is a response that is not a success.
type Refusal struct {
	Status int
	Code   string // for programs, such as conversation_not_found
	Detail string // for people

	after time.Duration // when to retry, if the server said so
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail)
}

// transient are the statuses below 500 for which a retry may succeed. 499 means
// that the request was cut off and its outcome is unknown.
var transient = []int{http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, 499}

// final reports whether a retry would have the same outcome. A response without a
// code is not from Ping, but from something in front of it.
func (r *Refusal) final() bool {
	return r.Status < 500 && r.Code != "" && !slices.Contains(transient, r.Status)
}

// success is the body of a successful response. An invalid one is not from Ping,
// but from something in front of it, such as the login page of a network.
type success interface{ valid() bool }

var errNotPing = errors.New("the response is not from Ping")

// request can be sent repeatedly.
type request struct {
	method, path string
	key          string   // Idempotency-Key of a write
	minPositions []string // positions that a read must include
	body         any
}

// do sends a request until it has a final response, and decodes that. The error
// is a final *Refusal, *Ended, or that of ctx.
func (c *Client) do(ctx context.Context, r request, into success) error {
	for n := 0; ; n++ {
		token, err := c.accessToken(ctx)
		if err != nil {
			return err
		}
		err = doOnce(ctx, c.http, c.server, token, r, into)
		if err == nil {
			return nil
		}
		after, final := c.classify(err, token)
		if final {
			return err
		}
		if !c.backOff(ctx, n, after) {
			return ctx.Err()
		}
	}
}

// classify returns when to retry after an error, or that a retry is useless. It
// invalidates a token that was not accepted.
func (c *Client) classify(err error, token string) (after time.Duration, final bool) {
	var refused *Refusal
	if !errors.As(err, &refused) {
		return 0, false // the connection failed, or the response was not from Ping
	}
	if refused.Status == http.StatusUnauthorized {
		c.invalidateToken(token)
	}
	return refused.after, refused.final()
}

// doOnce sends a request once.
func doOnce(ctx context.Context, via *http.Client, server, token string, r request, into success) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var content io.Reader
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, server+r.path, content)
	if err != nil {
		return err
	}
	if r.body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	if r.key != "" {
		q.Header.Set("Idempotency-Key", r.key)
	}
	if len(r.minPositions) > 0 {
		q.Header.Set("Ping-Min-Position", strings.Join(r.minPositions, ","))
	}
	response, err := via.Do(q)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return refusalOf(response)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return err
	}
	if !into.valid() {
		return errNotPing
	}
	return nil
}

// refusalOf reads a response that is not a success. One that is cut off means
// nothing.
func refusalOf(response *http.Response) error {
	content, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return err
	}
	r := &Refusal{}
	_ = json.Unmarshal(content, r) // one without a code is not from Ping
	r.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.after = time.Duration(seconds) * time.Second
	}
	return r
}
