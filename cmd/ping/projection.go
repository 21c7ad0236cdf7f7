package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v3"

	"ping/internal/node"
	"ping/internal/postgres"
	"ping/projections"
)

func projectionCommand() *cli.Command {
	return &cli.Command{
		Name:  "projection",
		Usage: "manage the read models",
		Commands: []*cli.Command{{
			Name:        "rebuild",
			Usage:       "build a read model from the whole log in a second schema, and swap the two",
			ArgsUsage:   "NAME",
			Description: "The names are: " + strings.Join(projectionNames(), ", ") + ".",
			Flags:       flags(nil, "database-url"),
			Action:      rebuildProjection,
		}},
	}
}

func projectionNames() []string {
	var names []string
	for _, p := range projections.BuiltIn() {
		names = append(names, p.Name)
	}
	return names
}

func rebuildProjection(ctx context.Context, cmd *cli.Command) error {
	cfg, err := node.ReadConfig(cmd.String, "database-url")
	if err != nil {
		return err
	}
	if cmd.Args().Len() != 1 {
		return fmt.Errorf("name one of %s", strings.Join(projectionNames(), ", "))
	}
	for _, p := range projections.BuiltIn() {
		if p.Name != cmd.Args().First() {
			continue
		}
		pool, err := postgres.NewPool(ctx, cfg.DatabaseURL, 0)
		if err != nil {
			return err
		}
		defer pool.Close()
		bar := progressbar.NewOptions64(-1,
			progressbar.OptionSetDescription(p.Name), progressbar.OptionSetWriter(cmd.Root().ErrWriter),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("events"),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetElapsedTime(true))
		err = projections.Rebuild(ctx, pool, p, func(done, total int64) {
			bar.ChangeMax64(total)
			_ = bar.Set64(done) // drawing is a courtesy
		})
		if err != nil {
			return err
		}
		_ = bar.Finish() // as above
		_, err = fmt.Fprintf(cmd.Root().Writer, "\n%s is rebuilt\n", p.Name)
		return err
	}
	return fmt.Errorf("there is no projection %q; the names are %s", cmd.Args().First(), strings.Join(projectionNames(), ", "))
}
