package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"

	"ping/commands"
	"ping/internal/auth"
	"ping/internal/ephemeral"
	"ping/internal/erasure"
	"ping/internal/eventlog"
	"ping/internal/limits"
	"ping/internal/web"
	"ping/projections"
	"ping/readapi"
	"ping/realtime"
	"ping/realtime/contract"
)

// node is one running Ping, wired.
type node struct {
	cfg     Config
	logger  *slog.Logger
	pool    *pgxpool.Pool
	redis   redis.UniversalClient
	nats    *nats.Conn
	log     *eventlog.Log
	runner  *projections.Runner
	hub     *realtime.Hub
	endings *auth.Endings
	limiter *limits.Limiter
	lane    *ephemeral.Store
	eraser  *erasure.Eraser
	web     *web.Server
	health  *health
	metrics http.Handler
}

// newNode connects to what the node stands on and wires it, top to bottom. Only
// Postgres must be there: Redis and NATS may come later. Nothing runs before run.
func newNode(ctx context.Context, cfg Config, logger *slog.Logger, natsOptions ...nats.Option) (_ *node, err error) {
	n := &node{cfg: cfg, logger: logger}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if err := n.connect(ctx, natsOptions); err != nil {
		return nil, err
	}
	if n.log, err = eventlog.Open(ctx, n.pool, n.nats, eventlog.Config{StateCache: cfg.StateCache << 20}, logger); err != nil {
		return nil, err
	}
	builtIn := projections.BuiltIn()
	if err := projections.Install(ctx, n.pool, builtIn, logger); err != nil {
		return nil, err
	}
	n.runner = projections.NewRunner(n.pool, n.log, builtIn, projections.Config{}, logger)

	tokens, err := auth.NewTokens([]byte(cfg.JWTSecret), time.Now)
	if err != nil {
		return nil, err
	}
	tickets := auth.NewTickets(n.redis)
	n.lane = ephemeral.New(n.redis, tokens.DeriveSecret("ephemeral"), logger)
	n.hub = realtime.New(n.log, n.pool, tokens, tickets, n.lane, realtime.Config{Origins: cfg.Origins, DrainSpread: cfg.Drain}, logger)
	n.endings = auth.NewEndings(n.redis, n.pool, tokens, n.hub.CloseSession, n.hub.CloseUser, auth.Config{}, logger)
	if err := n.endings.Load(ctx); err != nil {
		return nil, err
	}
	n.limiter = limits.New(n.redis, cfg.Limits, tokens.DeriveSecret("limits"), logger)
	n.eraser = erasure.New(n.pool, n.log, n.lane, cfg.Erasure, logger)

	n.web = web.New(logger)
	web.Authenticate(n.web.API, tokens)
	web.Limit(n.web.API, n.limiter, cfg.Proxies)
	reads := readapi.Register(n.web.API, n.pool, n.log, n.lane)
	if err := commands.Register(n.web.API, n.log, n.pool, tokens, tickets, n.endings, n.eraser, n.lane, commands.Reads(reads),
		web.LimitLogin(n.limiter), commands.Config{}, logger); err != nil {
		return nil, err
	}
	n.hub.Register(n.web.Echo)
	contract.Describe(n.web.API.OpenAPI())

	n.health = newHealth(n.pool, n.redis, n.nats)
	n.health.register(n.web.Echo)
	n.metrics = promhttp.HandlerFor(n.newMetricsRegistry(), promhttp.HandlerOpts{})
	if cfg.MetricsAddr == "" {
		n.web.Echo.GET("/metrics", echo.WrapHandler(n.metrics))
	}
	return n, nil
}

func (n *node) connect(ctx context.Context, natsOptions []nats.Option) error {
	poolConfig, err := pgxpool.ParseConfig(n.cfg.DatabaseURL)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	poolConfig.MaxConns = int32(n.cfg.DatabaseConns)
	if n.pool, err = pgxpool.NewWithConfig(ctx, poolConfig); err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	if n.redis, err = newRedis(n.cfg.RedisURL); err != nil {
		return err
	}
	n.nats, err = eventlog.Connect(n.cfg.NATSURL, natsOptions...)
	return err
}

// close closes the connections.
func (n *node) close() {
	if n.nats != nil {
		n.nats.Close()
	}
	if n.limiter != nil {
		_ = n.limiter.Close() // nothing that is written waits in it
	}
	if n.redis != nil {
		_ = n.redis.Close() // nothing that is written waits in it
	}
	if n.pool != nil {
		n.pool.Close()
	}
}

// watchServers makes the servers for those who watch the node, not its clients.
func (n *node) watchServers(l listeners) map[net.Listener]*http.Server {
	all := map[net.Listener]*http.Server{}
	if l.metrics != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", n.metrics)
		all[l.metrics] = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	}
	if l.pprof != nil {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		all[l.pprof] = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	}
	return all
}
