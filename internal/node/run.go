package node

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// shutdownGrace is how long requests may take to end after the drain.
const shutdownGrace = 10 * time.Second

// Run serves until ctx ends or a part of the node fails, whose error it returns.
// It stops what serves clients first and what that depends on last, and closes
// the node.
func (n *Node) Run(ctx context.Context, l Listeners) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	defer n.Close()

	log := NewStage(ctx, fail)
	log.Run("event log", n.log.Run)
	readers := NewStage(ctx, fail)
	readers.Run("projections", n.runner.Run)
	readers.Run("realtime", n.hub.Run)
	readers.Run("revocations", n.revocations.Run)
	readers.Run("erasures", n.eraser.Run)
	readers.Run("check of Redis", n.Ephemeral.CheckServers)
	readers.Run("memory", keepMemory)
	servers := NewStage(ctx, fail)
	web := n.Web.HTTPServer("")
	serve(servers, "http", web, l.Clients)
	operators := n.operatorServers(l)
	for listener, server := range operators {
		serve(servers, "http for metrics or profiles", server, listener)
	}

	<-ctx.Done()
	n.logger.Info("shutting down")
	n.health.draining.Store(true)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.cfg.Drain+shutdownGrace)
	defer cancel()
	err := n.hub.Drain(grace)
	err = errors.Join(err, web.Shutdown(grace))
	for _, server := range operators {
		err = errors.Join(err, server.Shutdown(grace))
	}
	servers.Stop()
	readers.Stop()
	log.Stop()
	n.logger.Info("shut down")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return errors.Join(cause, err)
	}
	return err
}

func serve(s *Stage, name string, server *http.Server, listener net.Listener) {
	s.Run(name, func(context.Context) error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}
