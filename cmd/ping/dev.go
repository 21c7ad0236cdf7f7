package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"ping/internal/devservices"
	"ping/internal/node"
	"ping/migrations"
)

func devCommand() *cli.Command {
	return &cli.Command{
		Name:  "dev",
		Usage: "run Ping with all that it needs, private and in one folder",
		Description: "No setting is needed: Postgres and Redis are started from the installed binaries (`make deps` installs them),\n" +
			"NATS runs inside. Of these, one whose URL is set is used instead. Ctrl-C ends all of it; the next start continues.",
		Flags: append([]cli.Flag{&cli.StringFlag{
			Name: "data", Category: node.CategoryEngines, Usage: "the `folder` of the data, made when it isn't there",
			Value: ".ping", Sources: cli.EnvVars("PING_DATA"),
		}}, flags(map[string]string{"metrics-addr": "", "drain": "200ms", "limits": "off"})...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return runDev(ctx, cmd.String, cmd.Root().Writer, cmd.Root().ErrWriter)
		},
	}
}

// runDev starts the parts that have no URL, serves until ctx ends, and then ends
// them: the node first, the parts in reverse order.
func runDev(ctx context.Context, setting func(name string) string, out, errOut io.Writer) (err error) {
	cfg, err := readDevConfig(setting)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: cfg.LogLevel}))
	listeners, err := node.Listen(cfg)
	if err != nil {
		return err
	}
	defer listeners.Close() // unless the node has, which makes this one's error nothing
	own, err := startParts(ctx, setting("data"), &cfg, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.stop()) }()
	if _, err := migrations.Up(ctx, cfg.DatabaseURL); err != nil {
		return err
	}
	n, err := node.New(ctx, cfg, logger, own.natsOptions...)
	if err != nil {
		return err
	}
	if err := own.writeEnv(cfg); err != nil {
		n.Close()
		return err
	}
	announce(out, own, listeners.Clients.Addr().String())

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	watch := node.NewStage(ctx, fail)
	defer watch.Stop()
	for name, ended := range own.ended {
		watch.Run(name, func(ctx context.Context) error {
			select {
			case <-ended:
				return fmt.Errorf("it ended by itself; %s tells why", own.folder.Path(name, "log"))
			case <-ctx.Done():
				return nil
			}
		})
	}
	return n.Run(ctx, listeners)
}

// readDevConfig reads the settings, of which those that `ping dev` makes itself
// need not be there.
func readDevConfig(setting func(name string) string) (node.Config, error) {
	var names []string
	for _, s := range node.Settings {
		made := []string{"database-url", "redis-url", "nats-url", "jwt-secret"}
		if !slices.Contains(made, s.Name) || setting(s.Name) != "" {
			names = append(names, s.Name)
		}
	}
	return node.ReadConfig(setting, names...)
}

// announce prints where everything is.
func announce(out io.Writer, own *privateParts, addr string) {
	lines := [][2]string{
		{"Ping", "http://" + addr},
		{"Contract", "http://" + addr + "/docs"},
		{"Socket", "ws://" + addr + "/v1/stream"},
		{"Postgres", own.where["postgres"]},
		{"Redis", own.where["redis"]},
		{"NATS", own.where["nats"]},
		{"Data", own.folder.Path()},
		{"One more node", "set -a; . " + quote(own.folder.Path("env")) + "; " + quote(os.Args[0]) + " serve --addr 127.0.0.1:8090"},
	}
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&text, "%-14s %s\n", line[0], line[1])
	}
	fmt.Fprintf(&text, "\nCtrl-C ends all of it.\n")
	_, _ = io.WriteString(out, text.String()) // a closed terminal is no reason to end
}

// writeEnv keeps the settings of a further node in the file env, which only this
// user may read.
func (p *privateParts) writeEnv(cfg node.Config) error {
	env := fmt.Sprintf("DATABASE_URL=%s\nREDIS_URL=%s\nNATS_URL=%s\nJWT_SECRET=%s\nPING_LIMITS=%s\n",
		quote(cfg.DatabaseURL), quote(cfg.RedisURL), quote(cfg.NATSURL), quote(cfg.JWTSecret), quote(cfg.Limits.String()))
	return devservices.WriteFile(p.folder.Path("env"), []byte(env), 0o600)
}

// quote quotes text for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
