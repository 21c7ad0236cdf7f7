package node

import (
	"context"
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
	"ping/internal/identity"
	"ping/internal/limits"
	"ping/internal/postgres"
	"ping/internal/web"
	"ping/projections"
	"ping/readapi"
	"ping/realtime"
	"ping/realtime/contract"
)

// Node is one Ping process: New wires it, Run serves.
type Node struct {
	cfg         Config
	logger      *slog.Logger
	Pool        *pgxpool.Pool
	redis       redis.UniversalClient
	nats        *nats.Conn
	log         *eventlog.Log
	runner      *projections.Runner
	hub         *realtime.Hub
	revocations *auth.Revocations
	limiter     *limits.Limiter
	Ephemeral   *ephemeral.Store
	eraser      *erasure.Eraser
	Web         *web.Server
	health      *health
	metrics     http.Handler
}

// New connects to the engines and wires a node, top to bottom. Postgres must be
// available; Redis and NATS may come later. Nothing runs before Run.
func New(ctx context.Context, cfg Config, logger *slog.Logger, natsOptions ...nats.Option) (_ *Node, err error) {
	n := &Node{cfg: cfg, logger: logger}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	if err := n.connect(ctx, natsOptions); err != nil {
		return nil, err
	}
	if n.log, err = eventlog.Open(ctx, n.Pool, n.nats, eventlog.Config{StateCache: cfg.StateCache << 20}, logger); err != nil {
		return nil, err
	}
	builtIn := projections.BuiltIn()
	if err := projections.Install(ctx, n.Pool, builtIn, logger); err != nil {
		return nil, err
	}
	n.runner = projections.NewRunner(n.Pool, n.log, builtIn, projections.Config{}, logger)

	tokens, err := auth.NewTokens([]byte(cfg.JWTSecret), time.Now)
	if err != nil {
		return nil, err
	}
	tickets := auth.NewTickets(n.redis)
	identities := identity.NewStore(n.Pool)
	n.Ephemeral = ephemeral.New(n.redis, tokens.DeriveSecret("ephemeral"), logger)
	n.hub = realtime.New(n.log, n.Pool, tokens, n.Ephemeral, realtime.Config{Origins: cfg.Origins, DrainSpread: cfg.Drain}, logger)
	n.revocations = auth.NewRevocations(n.redis, identities.Revoked, tokens, n.hub.CloseSession, n.hub.CloseUser, auth.Config{}, logger)
	if err := n.revocations.Load(ctx); err != nil {
		return nil, err
	}
	n.limiter = limits.New(n.redis, cfg.Limits, tokens.DeriveSecret("limits"), logger)
	n.eraser = erasure.New(n.Pool, identities, n.log, n.Ephemeral, cfg.Erasure, logger)

	n.Web = web.New(logger)
	web.Authenticate(n.Web.API, tokens)
	web.Limit(n.Web.API, n.limiter, cfg.Proxies)
	reads := readapi.Register(n.Web.API, n.Pool, identities, n.log, n.Ephemeral)
	if err := commands.Register(n.Web.API, commands.Deps{
		Log: n.log, Identities: identities, Tokens: tokens, Tickets: tickets, Revocations: n.revocations, Eraser: n.eraser,
		Ephemeral: n.Ephemeral, Reads: commands.Reads(reads), LimitLogin: web.LimitLogin(n.limiter), Logger: logger,
	}, commands.Config{}); err != nil {
		return nil, err
	}
	realtime.NewHandler(n.hub, tokens, tickets).Register(n.Web.Echo)
	contract.Describe(n.Web.API.OpenAPI())

	n.health = newHealth(n.Pool, n.redis, n.nats)
	n.health.register(n.Web.Echo)
	n.metrics = promhttp.HandlerFor(n.newMetricsRegistry(), promhttp.HandlerOpts{})
	if cfg.MetricsAddr == "" {
		n.Web.Echo.GET("/metrics", echo.WrapHandler(n.metrics))
	}
	return n, nil
}

func (n *Node) connect(ctx context.Context, natsOptions []nats.Option) error {
	var err error
	if n.Pool, err = postgres.NewPool(ctx, n.cfg.DatabaseURL, n.cfg.DatabaseConns); err != nil {
		return err
	}
	if n.redis, err = newRedis(n.cfg.RedisURL); err != nil {
		return err
	}
	n.nats, err = eventlog.Connect(n.cfg.NATSURL, natsOptions...)
	return err
}

// Close closes the connections. Run does so by itself.
func (n *Node) Close() {
	if n.nats != nil {
		n.nats.Close()
	}
	if n.limiter != nil {
		_ = n.limiter.Close() // no write waits in it
	}
	if n.redis != nil {
		_ = n.redis.Close() // no write waits in it
	}
	if n.Pool != nil {
		n.Pool.Close()
	}
}

// operatorServers makes the servers for operators: metrics and profiles.
func (n *Node) operatorServers(l Listeners) map[net.Listener]*http.Server {
	all := map[net.Listener]*http.Server{}
	if l.Metrics != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", n.metrics)
		all[l.Metrics] = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	}
	if l.Pprof != nil {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		all[l.Pprof] = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	}
	return all
}
