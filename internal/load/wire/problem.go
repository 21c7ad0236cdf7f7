package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// Problem is an attempt that did not succeed.
type Problem struct {
	Status int    // 0 without an answer
	Code   string // the contract's, or what happened to the connection
	after  time.Duration
}

func (p *Problem) Error() string {
	if p.Status == 0 {
		return p.Code
	}
	return fmt.Sprintf("%d %s", p.Status, p.Code)
}

// Retryable reports whether the same request may succeed later.
func (p *Problem) Retryable() bool {
	return p.outage() || p.Status == fasthttp.StatusTooManyRequests || p.Status == fasthttp.StatusRequestTimeout
}

// Definite reports whether the server has certainly not done what was asked.
func (p *Problem) Definite() bool {
	return p.Status >= 400 && p.Status < 500 && !p.Retryable() && p.Status != fasthttp.StatusConflict
}

// outage reports whether the server was unreachable or unable to answer.
func (p *Problem) outage() bool { return p.Status == 0 || p.Status >= 500 }

// problemOf reads an answer that is not a success.
func problemOf(status int, body []byte, retryAfter string) *Problem {
	p := &Problem{Status: status}
	var doc struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(body, &doc) == nil {
		p.Code = doc.Code
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
	case err == nil:
		return "connection ended"
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

// Counts are the attempts that failed.
type Counts struct {
	Retries atomic.Int64
	Outages atomic.Int64 // calls and handshakes for which a server was unreachable or unable to answer
	mu      sync.Mutex
	errors  map[string]int64
}

// NewCounts returns counts of nothing.
func NewCounts() *Counts { return &Counts{errors: map[string]int64{}} }

// attempt counts an attempt that did not succeed.
func (c *Counts) attempt(p *Problem) {
	c.Failed(p.Error())
	if p.outage() {
		c.Outages.Add(1)
	}
}

// Failed counts a failure by its name.
func (c *Counts) Failed(name string) {
	c.mu.Lock()
	c.errors[name]++
	c.mu.Unlock()
}

// Errors copies the failures by their name.
func (c *Counts) Errors() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.errors)
}

// Summary lists the failures, to end an error message.
func (c *Counts) Summary() string {
	var b strings.Builder
	all := c.Errors()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "; %s (%d times)", name, all[name])
	}
	return b.String()
}
