package node

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"
	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"
)

// healthTimeout bounds the answer of one dependency.
const healthTimeout = time.Second

// health answers whether a node is alive and whether it can take requests.
type health struct {
	draining atomic.Bool
	checks   []check
}

// check is one dependency. A node works without those that are not required:
// without NATS it accepts, stores and delivers from Postgres; without Redis only
// tickets, stealth messages, typing and presence fail.
type check struct {
	name     string
	required bool
	ok       func(ctx context.Context) bool
}

func newHealth(pool *pgxpool.Pool, rdb redis.UniversalClient, nc *nats.Conn) *health {
	return &health{checks: []check{
		{"postgres", true, func(ctx context.Context) bool { return pool.Ping(ctx) == nil }},
		{"redis", false, func(ctx context.Context) bool { return rdb.Ping(ctx).Err() == nil }},
		{"nats", false, func(context.Context) bool { return nc.IsConnected() }},
	}}
}

func (h *health) register(e *echo.Echo) {
	e.GET("/healthz", func(c echo.Context) error { return c.JSON(http.StatusOK, map[string]string{"status": "ok"}) })
	e.GET("/readyz", func(c echo.Context) error {
		answer := h.readiness(c.Request().Context())
		status := http.StatusOK
		if answer.Status == statusUnavailable || answer.Status == statusDraining {
			status = http.StatusServiceUnavailable
		}
		return c.JSON(status, answer)
	})
}

const (
	statusOK          = "ok"
	statusDegraded    = "degraded" // a dependency that is not required is unavailable
	statusDraining    = "draining"
	statusUnavailable = "unavailable"
)

// readiness is the body of /readyz: 200 for ok and degraded, else 503.
type readiness struct {
	Status       string            `json:"status"`
	Dependencies map[string]string `json:"dependencies"` // name to ok or unavailable
}

func (h *health) readiness(ctx context.Context) readiness {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	found := make([]bool, len(h.checks))
	var all sync.WaitGroup
	for i, one := range h.checks {
		all.Go(func() { found[i] = one.ok(ctx) })
	}
	all.Wait()
	answer := readiness{Status: statusOK, Dependencies: map[string]string{}}
	for i, one := range h.checks {
		answer.Dependencies[one.name] = statusOK
		if found[i] {
			continue
		}
		answer.Dependencies[one.name] = statusUnavailable
		if one.required {
			answer.Status = statusUnavailable
		} else if answer.Status == statusOK {
			answer.Status = statusDegraded
		}
	}
	if h.draining.Load() {
		answer.Status = statusDraining
	}
	return answer
}
