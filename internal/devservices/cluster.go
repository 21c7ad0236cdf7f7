package devservices

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const postgresUser = "ping"

// initCluster makes the data folder of a new Postgres. It appears whole or not
// at all.
func initCluster(ctx context.Context, install postgresInstall, owner *account, dir string, cfg PostgresConfig) error {
	data, half, password := filepath.Join(dir, "data"), filepath.Join(dir, "data.new"), filepath.Join(dir, "password")
	if _, err := keptSecret(password); err != nil {
		return err
	}
	if err := os.RemoveAll(half); err != nil {
		return fmt.Errorf("remove what an earlier run left: %w", err)
	}
	if err := makeFolder(half, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := errors.Join(owner.give(half), owner.give(password)); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	args := []string{
		"--pgdata", half, "--username", postgresUser, "--pwfile", password,
		"--auth-local", "trust", "--auth-host", "scram-sha-256",
		// Text is sorted by its bytes, which is fast and the same everywhere,
		// while upper and lower case are known for all of Unicode.
		"--encoding", "UTF8", "--locale", "C", "--lc-ctype", unicodeLocale(),
		"--no-instructions",
	}
	if cfg.Scratch {
		args = append(args, "--no-sync", "--wal-segsize", "4")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(install.bin, "initdb"), args...)
	cmd.Dir = "/"
	cmd.Env = postgresEnv()
	if err := owner.apply(cmd, dir); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w:\n%s", err, strings.TrimSpace(string(out)))
	}
	if err := os.Rename(half, data); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	return nil
}

func unicodeLocale() string {
	if runtime.GOOS == "darwin" {
		return "UTF-8"
	}
	return "C.UTF-8"
}

// postgresEnv is this process's environment without what Postgres's programs
// would take as settings.
func postgresEnv() []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "PG") && !strings.HasPrefix(entry, "LC_") && !strings.HasPrefix(entry, "LANG") {
			env = append(env, entry)
		}
	}
	return append(env, "LC_ALL=C")
}
