package wire

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	dialTimeout = 5 * time.Second
	// callTimeout bounds one attempt; a send without an answer by then is
	// retried with its key.
	callTimeout = 15 * time.Second
	// maxAnswer bounds an answer in bytes; the largest is a page of history.
	maxAnswer = 16 << 20
)

// API reaches the servers over HTTP.
type API struct {
	nodes    []*fasthttp.HostClient
	retryFor time.Duration

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// NewAPI reaches the servers at these base addresses, over at most so many
// connections each. A call is retried for retryFor.
func NewAPI(urls []string, connections int, retryFor time.Duration) *API {
	a := &API{retryFor: retryFor, conns: map[net.Conn]struct{}{}}
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
			// Failures are retried where they are counted, never silently.
			RetryIfErr: func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		})
	}
	return a
}

// hostPort returns the address to dial for a server's URL.
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

// Ports are the ports that the servers listen on.
func (a *API) Ports() (ports []int) {
	for _, node := range a.nodes {
		if _, text, err := net.SplitHostPort(node.Addr); err == nil {
			if port, err := strconv.Atoi(text); err == nil {
				ports = append(ports, port)
			}
		}
	}
	return ports
}

// Reach connects to each server once, so that one that cannot be reached is
// named at once. Later, during a run, calls are retried.
func (a *API) Reach(ctx context.Context) error {
	dialer := &net.Dialer{Timeout: dialTimeout}
	for _, node := range a.nodes {
		conn, err := dialer.DialContext(ctx, "tcp", node.Addr)
		if err != nil {
			return fmt.Errorf("cannot reach http://%s: %s; is the server running there?", node.Addr, networkCode(err))
		}
		conn.Close()
	}
	return nil
}

// trackedConn is a connection that API.Close can end.
type trackedConn struct {
	net.Conn
	api *API
}

func (c *trackedConn) Close() error {
	c.api.mu.Lock()
	delete(c.api.conns, c)
	c.api.mu.Unlock()
	return c.Conn.Close()
}

func (a *API) dial(addr string) (net.Conn, error) {
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

// Close ends all connections, also those with a call under way.
func (a *API) Close() {
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
