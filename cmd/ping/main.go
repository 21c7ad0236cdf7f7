// Command ping is a messaging backend: see ping --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v3"

	"ping/internal/node"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(node.MaxGCPercent)
	}
	node.QuietRedis()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "ping:", err)
		os.Exit(1)
	}
}

// run runs the command line args. Only what a command is asked for goes to out.
func run(ctx context.Context, args []string, out, errOut io.Writer) error {
	root := &cli.Command{
		Name:      "ping",
		Usage:     "a messaging backend",
		Version:   version(),
		Writer:    out,
		ErrWriter: errOut,
		// Errors come back here and are written once, by main.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return fmt.Errorf("there is no command %q; see ping --help", cmd.Args().First())
			}
			return cli.ShowRootCommandHelp(cmd)
		},
		Commands: []*cli.Command{
			devCommand(),
			serveCommand(),
			migrateCommand(),
			projectionCommand(),
			epochCommand(),
			loadCommand(),
			versionCommand(),
		},
	}
	tellUsageErrors(root)
	err := root.Run(ctx, args)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

// tellUsageErrors makes wrong usage of the command and of those below an error
// that points to the help, instead of the whole help.
func tellUsageErrors(cmd *cli.Command) {
	cmd.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.FullName())
	}
	for _, below := range cmd.Commands {
		tellUsageErrors(below)
	}
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version",
		Action: func(_ context.Context, cmd *cli.Command) error {
			_, err := fmt.Fprintln(cmd.Root().Writer, "ping", version())
			return err
		},
	}
}

// release is the tag of a released build: make build and the Dockerfile set it.
var release string

// version is the release, or else the module's version, or the commit of a build
// from a checkout.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value[:min(12, len(setting.Value))]
		}
	}
	return info.Main.Version
}
