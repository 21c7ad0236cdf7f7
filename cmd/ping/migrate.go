package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"ping/internal/node"
	"ping/migrations"
)

func migrateCommand() *cli.Command {
	return &cli.Command{
		Name:  "migrate",
		Usage: "bring the database to this version's schema",
		Flags: flags(nil, "database-url"),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := node.ReadConfig(cmd.String, "database-url")
			if err != nil {
				return err
			}
			names, err := migrations.Up(ctx, cfg.DatabaseURL)
			if err != nil {
				return err
			}
			out := cmd.Root().Writer
			for _, name := range names {
				fmt.Fprintln(out, "migrated", name)
			}
			if len(names) == 0 {
				fmt.Fprintln(out, "nothing to migrate")
			}
			return nil
		},
	}
}
