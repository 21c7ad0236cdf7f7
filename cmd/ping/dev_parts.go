package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"

	"ping/internal/devservices"
	"ping/internal/node"
)

// privateParts are the parts that `ping dev` has started, and where all are.
type privateParts struct {
	folder      *devservices.Folder
	where       map[string]string          // part to how it is reached, for people
	ended       map[string]<-chan struct{} // part to what is closed when it has ended
	stops       []func() error             // in the order in which the parts were started
	natsOptions []nats.Option
}

// startParts starts the parts that cfg has no URL for, in the data folder at
// path, and completes cfg. When it fails, it leaves nothing running.
func startParts(ctx context.Context, path string, cfg *node.Config, logger *slog.Logger) (_ *privateParts, err error) {
	p := &privateParts{
		where: map[string]string{"postgres": "as DATABASE_URL says", "redis": "as REDIS_URL says", "nats": "as NATS_URL says"},
		ended: map[string]<-chan struct{}{},
	}
	if p.folder, err = devservices.OpenFolder(path); err != nil {
		return nil, err
	}
	p.stops = append(p.stops, p.folder.Close)
	for _, start := range []func(context.Context, *node.Config, *slog.Logger) error{p.startPostgres, p.startRedis, p.startNATS} {
		if err := start(ctx, cfg, logger); err != nil {
			return nil, errors.Join(err, p.stop())
		}
	}
	if cfg.JWTSecret == "" {
		if cfg.JWTSecret, err = p.folder.Secret("jwt_secret"); err != nil {
			return nil, errors.Join(err, p.stop())
		}
	}
	return p, nil
}

func (p *privateParts) startPostgres(ctx context.Context, cfg *node.Config, _ *slog.Logger) error {
	if cfg.DatabaseURL != "" {
		return nil
	}
	postgres, err := devservices.StartPostgres(ctx, p.folder.Path("postgres"), devservices.PostgresConfig{})
	if err != nil {
		return err
	}
	p.stops = append(p.stops, postgres.Stop)
	p.ended["postgres"] = postgres.Ended()
	cfg.DatabaseURL = postgres.URL(devservices.PostgresDatabase)
	p.where["postgres"] = fmt.Sprintf("psql %s (by loopback: port %d, user and database ping, password in %s)",
		quote(cfg.DatabaseURL), postgres.Port(), p.folder.Path("postgres", "password"))
	return nil
}

func (p *privateParts) startRedis(ctx context.Context, cfg *node.Config, _ *slog.Logger) error {
	if cfg.RedisURL != "" {
		return nil
	}
	redis, err := devservices.StartRedis(ctx, p.folder.Path("redis"))
	if err != nil {
		return err
	}
	p.stops = append(p.stops, redis.Stop)
	p.ended["redis"] = redis.Ended()
	cfg.RedisURL = redis.URL()
	p.where["redis"] = "redis-cli -s " + quote(redis.Socket())
	return nil
}

func (p *privateParts) startNATS(_ context.Context, cfg *node.Config, logger *slog.Logger) error {
	if cfg.NATSURL != "" {
		return nil
	}
	server, err := devservices.StartNATS(p.folder.Path("nats"), logger)
	if err != nil {
		return err
	}
	p.stops = append(p.stops, func() error { server.Stop(); return nil })
	cfg.NATSURL = server.ClientURL()
	p.natsOptions = append(p.natsOptions, nats.InProcessServer(server))
	p.where["nats"] = fmt.Sprintf("nats://%s (user and password in %s)", server.Addr(), p.folder.Path("env"))
	return nil
}

// stop ends the parts in reverse order and waits for them.
func (p *privateParts) stop() error {
	var errs []error
	for i := len(p.stops) - 1; i >= 0; i-- {
		errs = append(errs, p.stops[i]())
	}
	return errors.Join(errs...)
}
