package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"ping/migrations"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run a node on a Postgres, Redis and NATS that are there",
		Description: "Any number of nodes may run on the same three. The database is migrated beforehand, by `ping migrate`.\n" +
			"The log goes to standard error as JSON, one object a line.",
		Flags: flags(nil),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := readConfig(cmd.String)
			if err != nil {
				return err
			}
			logger := slog.New(slog.NewJSONHandler(cmd.Root().ErrWriter, &slog.HandlerOptions{Level: cfg.LogLevel}))
			listeners, err := listen(cfg)
			if err != nil {
				return err
			}
			if err := migrations.Check(ctx, cfg.DatabaseURL); err != nil {
				return errors.Join(err, listeners.close())
			}
			n, err := newNode(ctx, cfg, logger)
			if err != nil {
				return errors.Join(err, listeners.close())
			}
			logger.Info("serving", "addr", listeners.clients.Addr().String(), "pid", os.Getpid(), "version", version())
			return n.run(ctx, listeners)
		},
	}
}

// listeners are where a node is reached. All but the first may be nil.
type listeners struct {
	clients, metrics, pprof net.Listener
}

// listen takes the addresses before anything is started, so that a taken one is
// told at once.
func listen(cfg Config) (l listeners, err error) {
	for _, one := range []struct {
		addr, setting, env string
		listener           *net.Listener
	}{
		{cfg.Addr, "addr", "PING_ADDR", &l.clients},
		{cfg.MetricsAddr, "metrics-addr", "PING_METRICS_ADDR", &l.metrics},
		{cfg.PprofAddr, "pprof-addr", "PING_PPROF_ADDR", &l.pprof},
	} {
		if one.addr == "" {
			continue
		}
		// No keep-alive, which is four system calls a connection: streams have
		// heartbeats, and requests have time limits.
		config := net.ListenConfig{KeepAlive: -1}
		*one.listener, err = config.Listen(context.Background(), "tcp", one.addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			_, port, _ := net.SplitHostPort(one.addr)
			err = fmt.Errorf("port %s is taken: end the program that listens on %s, or choose another address with --%s or %s", port, one.addr, one.setting, one.env)
		}
		if err != nil {
			*one.listener = nil
			return l, errors.Join(err, l.close())
		}
	}
	return l, nil
}

func (l listeners) close() error {
	var errs []error
	for _, one := range []net.Listener{l.clients, l.metrics, l.pprof} {
		if one != nil {
			errs = append(errs, one.Close())
		}
	}
	return errors.Join(errs...)
}

// shutdownGrace is how long requests may take to end beyond the drain.
const shutdownGrace = 10 * time.Second

// run serves until ctx ends or a part of the node fails, which is then its
// error. What serves ends first, what it stands on last.
func (n *node) run(ctx context.Context, l listeners) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	defer n.close()

	log := newStage(ctx, fail)
	log.run("event log", n.log.Run)
	readers := newStage(ctx, fail)
	readers.run("projections", n.runner.Run)
	readers.run("realtime", n.hub.Run)
	readers.run("ended sessions", n.endings.Run)
	readers.run("erasures", n.eraser.Run)
	readers.run("check of redis", n.lane.CheckServers)
	readers.run("memory", keepMemory)
	servers := newStage(ctx, fail)
	web := n.web.HTTPServer("")
	serve(servers, "http", web, l.clients)
	watch := n.watchServers(l)
	for listener, server := range watch {
		serve(servers, "http of metrics or profiles", server, listener)
	}

	<-ctx.Done()
	n.logger.Info("shutting down")
	n.health.draining.Store(true)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.cfg.Drain+shutdownGrace)
	defer cancel()
	err := n.hub.Drain(grace)
	err = errors.Join(err, web.Shutdown(grace))
	for _, server := range watch {
		err = errors.Join(err, server.Shutdown(grace))
	}
	servers.stop()
	readers.stop()
	log.stop()
	n.logger.Info("shut down")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return errors.Join(cause, err)
	}
	return err
}

func serve(s *stage, name string, server *http.Server, listener net.Listener) {
	s.run(name, func(context.Context) error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}
