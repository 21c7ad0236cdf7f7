package main

import (
	"context"
	"errors"
	"os"

	"github.com/urfave/cli/v3"

	"ping/internal/node"
	"ping/migrations"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run a node with an existing Postgres, Redis and NATS",
		Description: "Any number of nodes may share the three. Migrate the database first, with `ping migrate`.\n" +
			"The log goes to standard error as JSON, one object per line.",
		Flags: flags(nil),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := node.ReadConfig(cmd.String)
			if err != nil {
				return err
			}
			logger := node.JSONLogger(cmd.Root().ErrWriter, cfg.LogLevel)
			listeners, err := node.Listen(cfg)
			if err != nil {
				return err
			}
			if err := node.AwaitPostgres(ctx, cfg, logger); err != nil {
				return errors.Join(err, listeners.Close())
			}
			if err := migrations.Check(ctx, cfg.DatabaseURL); err != nil {
				return errors.Join(err, listeners.Close())
			}
			n, err := node.New(ctx, cfg, logger)
			if err != nil {
				return errors.Join(err, listeners.Close())
			}
			logger.Info("serving", "addr", listeners.Clients.Addr().String(), "pid", os.Getpid(), "version", version())
			return n.Run(ctx, listeners)
		},
	}
}
