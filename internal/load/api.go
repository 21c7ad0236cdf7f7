package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"ping/internal/wait"
)

const (
	dialTimeout = 5 * time.Second
	// callTimeout bounds one attempt; a send without an answer by then is
	// tried again with its key.
	callTimeout = 15 * time.Second
	// maxAnswer bounds an answer; the greatest is a page of history.
	maxAnswer = 16 << 20
)

// api reaches the servers over HTTP.
type api struct {
	nodes    []*fasthttp.HostClient
	retryFor time.Duration

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

func newAPI(urls []string, connections int, retryFor time.Duration) *api {
	a := &api{retryFor: retryFor, conns: map[net.Conn]struct{}{}}
	for _, raw := range urls {
		a.nodes = append(a.nodes, &fasthttp.HostClient{
			Addr:                          hostPort(raw),
			Name:                          "ping-load",
			Dial:                          a.dial,
			MaxConns:                      connections,
			ReadTimeout:                   callTimeout,
			WriteTimeout:                  callTimeout,
			MaxIdleConnDuration:           10 * time.Second,
			MaxResponseBodySize:           maxAnswer,
			NoDefaultUserAgentHeader:      true,
			DisablePathNormalizing:        true,
			DisableHeaderNamesNormalizing: false,
			// What fails is tried again where it is counted, never silently.
			RetryIfErr: func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		})
	}
	return a
}

// hostPort returns what to dial for a URL that Check has accepted.
func hostPort(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "80")
	}
	return u.Host
}

// trackedConn is a connection that close can end.
type trackedConn struct {
	net.Conn
	api *api
}

func (c *trackedConn) Close() error {
	c.api.mu.Lock()
	delete(c.api.conns, c)
	c.api.mu.Unlock()
	return c.Conn.Close()
}

func (a *api) dial(addr string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: conn, api: a}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	a.conns[tracked] = struct{}{}
	return tracked, nil
}

// close ends all connections, those with a call under way too.
func (a *api) close() {
	a.mu.Lock()
	a.closed = true
	for c := range a.conns {
		c.(*trackedConn).Conn.Close()
	}
	a.mu.Unlock()
	for _, node := range a.nodes {
		node.CloseIdleConnections()
	}
}

// counts are what went other than well.
type counts struct {
	retries atomic.Int64
	outages atomic.Int64 // calls and handshakes that a server was not there for, or not able to answer
	mu      sync.Mutex
	errors  map[string]int64
}

func newCounts() *counts { return &counts{errors: map[string]int64{}} }

// attempt counts an attempt that did not succeed.
func (c *counts) attempt(p *problem) {
	c.failed(p.Error())
	if p.status == 0 || p.status >= 500 {
		c.outages.Add(1)
	}
}

func (c *counts) failed(code string) {
	c.mu.Lock()
	c.errors[code]++
	c.mu.Unlock()
}

// problem is an attempt that did not succeed.
type problem struct {
	status int    // 0 without an answer
	code   string // the contract's, or what happened to the connection
	after  time.Duration
}

func (p *problem) Error() string {
	if p.status == 0 {
		return p.code
	}
	return fmt.Sprintf("%d %s", p.status, p.code)
}

// again reports whether the same request may succeed later.
func (p *problem) again() bool {
	return p.status == 0 || p.status >= 500 || p.status == fasthttp.StatusTooManyRequests || p.status == fasthttp.StatusRequestTimeout
}

// definite reports whether the server has surely not done what was asked.
func (p *problem) definite() bool {
	return p.status >= 400 && p.status < 500 && !p.again() && p.status != fasthttp.StatusConflict
}

var errGaveUp = errors.New("gave up trying")

// courier makes one call at a time; its buffers are used again.
type courier struct {
	api    *api
	counts *counts
	req    fasthttp.Request
	res    fasthttp.Response
	body   []byte
}

func (a *api) courier(c *counts) *courier { return &courier{api: a, counts: c} }

// begin prepares a request; the caller may then set a body and headers.
func (c *courier) begin(method, path string) {
	c.req.Reset()
	c.req.Header.SetMethod(method)
	c.req.SetRequestURI(path)
	c.body = c.body[:0]
}

// do makes the prepared call as u until it has a definite answer, and leaves
// a 2xx answer in c.res. It returns a *problem for a refusal; errGaveUp,
// wrapping the last problem, when the time for trying is over; or the error
// of ctx. After the last two it is not known whether the call had an effect.
func (c *courier) do(ctx context.Context, u *user, authenticated bool) error {
	var began time.Time
	renewed := 0
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, used := c.attempt(u, authenticated)
		if p == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err() // close has ended the connections
		}
		c.counts.attempt(p)
		if p.status == fasthttp.StatusUnauthorized && authenticated && renewed < 3 {
			renewed++
			if err := u.renew(ctx, c.api, used); err != nil {
				return err
			}
			continue
		}
		if !p.again() {
			return p
		}
		if began.IsZero() {
			began = time.Now()
		}
		if time.Since(began) > c.api.retryFor {
			return fmt.Errorf("%w after %s: %w", errGaveUp, c.api.retryFor, p)
		}
		c.counts.retries.Add(1)
		if !wait.Sleep(ctx, backoff(n, p.after)) {
			return ctx.Err()
		}
	}
}

// attempt makes the call once. It returns the credentials that it used.
func (c *courier) attempt(u *user, authenticated bool) (*problem, *credentials) {
	node := c.api.nodes[int(u.node.Load())%len(c.api.nodes)]
	c.req.Header.SetHost(node.Addr)
	c.req.SetBodyRaw(c.body)
	var used *credentials
	if authenticated {
		used = u.credentials.Load()
		c.req.Header.Set("Authorization", used.bearer)
	}
	c.res.Reset()
	if err := node.Do(&c.req, &c.res); err != nil {
		u.node.Add(1) // the next attempt goes to the next server, if there is one
		return &problem{code: networkCode(err)}, used
	}
	status := c.res.StatusCode()
	if status >= 200 && status < 300 {
		return nil, used
	}
	return problemOf(status, c.res.Body(), string(c.res.Header.Peek("Retry-After"))), used
}

// problemOf reads an answer that is not a success.
func problemOf(status int, body []byte, retryAfter string) *problem {
	p := &problem{status: status}
	var doc struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(body, &doc) == nil {
		p.code = doc.Code
	}
	if seconds, err := strconv.Atoi(retryAfter); err == nil && seconds > 0 {
		p.after = min(time.Duration(seconds)*time.Second, time.Minute)
	}
	return p
}

// networkCode names what happened to a connection in few words, so that equal
// failures count together.
func networkCode(err error) string {
	var netErr net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, fasthttp.ErrConnectionClosed), errors.Is(err, net.ErrClosed):
		return "connection cut"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, fasthttp.ErrTimeout), errors.As(err, &netErr) && netErr.Timeout():
		return "timeout"
	case errors.Is(err, fasthttp.ErrNoFreeConns):
		return "no free connection"
	}
	return "connection: " + err.Error()
}

// all copies the errors by their code.
func (c *counts) all() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.errors)
}

// summary lists the errors, for a message that has to say what is wrong.
func (c *counts) summary() string {
	var b strings.Builder
	for code, n := range c.all() {
		fmt.Fprintf(&b, "; %s (%d times)", code, n)
	}
	return b.String()
}
