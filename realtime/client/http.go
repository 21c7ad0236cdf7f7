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
	"time"
)

// requestTimeout bounds one try of a request: a server that says nothing is
// tried again.
const requestTimeout = 15 * time.Second

// Refusal is an answer that is not a success.
type Refusal struct {
	Status int
	Code   string // for programs, such as conversation_not_found
	Detail string // for people

	after time.Duration // when to try again, where the server said so
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail)
}

// passing are the statuses of refusals, besides the server's failures, that pass:
// another try may be answered otherwise. 499 says that the request was cut off,
// and what became of it is not known.
var passing = []int{http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, 499}

// final reports whether another try would be answered the same. What has no
// code is not Ping's answer, but that of something before it.
func (r *Refusal) final() bool {
	return r.Status < 500 && r.Code != "" && !slices.Contains(passing, r.Status)
}

// success is what an answer that is one says. What is not complete is not
// Ping's answer, but that of something before it, such as a hotel's page.
type success interface{ complete() bool }

var errIncomplete = errors.New("the answer is not Ping's")

// request is what can be sent again as it is.
type request struct {
	method, path string
	key          string   // Idempotency-Key of a write
	seen         []string // positions that a read must have seen
	body         any
}

// ask sends a request until it is answered for good, and decodes the answer.
// The error is a final *Refusal, *Ended, or that ctx has ended.
func (c *Client) ask(ctx context.Context, r request, into success) error {
	for n := 0; ; n++ {
		token, err := c.accessToken(ctx)
		if err != nil {
			return err
		}
		err = try(ctx, c.http, c.server, token, r, into)
		if err == nil {
			return nil
		}
		after, final := c.judge(err, token)
		if final {
			return err
		}
		if !c.pause(ctx, n, after) {
			return ctx.Err()
		}
	}
}

// judge tells from a failure when to try again, or that this is useless. A
// token that was not good is not used again.
func (c *Client) judge(err error, token string) (after time.Duration, final bool) {
	var refused *Refusal
	if !errors.As(err, &refused) {
		return 0, false // the connection failed, also in the midst of an answer, or it was no answer
	}
	if refused.Status == http.StatusUnauthorized {
		c.spend(token)
	}
	return refused.after, refused.final()
}

// try sends a request once.
func try(ctx context.Context, via *http.Client, server, token string, r request, into success) error {
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
	for i, at := range r.seen {
		if i == 0 {
			q.Header.Set("Ping-Min-Position", at)
		} else {
			q.Header.Set("Ping-Min-Position", q.Header.Get("Ping-Min-Position")+","+at)
		}
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
	if !into.complete() {
		return errIncomplete
	}
	return nil
}

// refusalOf reads an answer that is not a success. One that breaks off says
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
