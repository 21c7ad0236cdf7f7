package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"ping/internal/eventlog"
	"ping/internal/node"
	"ping/internal/postgres"
)

func epochCommand() *cli.Command {
	return &cli.Command{
		Name:  "epoch",
		Usage: "begin a new incarnation of the log after Postgres was restored from a backup",
		Commands: []*cli.Command{{
			Name:  "bump",
			Usage: "count the epoch up",
			Description: "Stop all nodes first. Clients that resume from positions of the old epoch are told so;\n" +
				"the events that the backup lacked are gone, also from the mirror that the new epoch begins.",
			Flags: flags(nil, "database-url"),
			Action: func(ctx context.Context, cmd *cli.Command) error {
				cfg, err := node.ReadConfig(cmd.String, "database-url")
				if err != nil {
					return err
				}
				pool, err := postgres.NewPool(ctx, cfg.DatabaseURL, 0)
				if err != nil {
					return err
				}
				defer pool.Close()
				epoch, err := eventlog.BumpEpoch(ctx, pool)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.Root().Writer, "the log is now in epoch %d; start the nodes\n", epoch)
				return err
			},
		}},
	}
}
