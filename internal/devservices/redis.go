package devservices

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// How long a part may take until it answers.
const readyTimeout = 60 * time.Second

// RedisDatabases is the number of logical databases that a private Redis has.
const RedisDatabases = 256

// Redis is a private Redis that keeps nothing on disk, unless it was told to.
type Redis struct {
	process   *process
	socket    string
	temporary string // folder to remove at the end, if any
}

// StartRedis starts a Redis with its socket and log in dir, and returns when it
// answers. Lines of redis.conf may say that it differs, for tests; of a setting
// that is there twice the last counts. Started again in the same dir, it is at
// the same address.
func StartRedis(ctx context.Context, dir string, lines ...string) (_ *Redis, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	binary, err := findRedis()
	if err != nil {
		return nil, err
	}
	if err := makeFolder(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	pidFile := filepath.Join(dir, "redis.pid")
	if err := endEarlier("redis", pidFile, filepath.Base(binary), dir, syscall.SIGTERM); err != nil {
		return nil, err
	}
	folder, temporary, err := socketFolder(dir, "redis.sock")
	if err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	r := &Redis{socket: filepath.Join(folder, "redis.sock")}
	if temporary {
		r.temporary = folder
	}
	cmd := exec.Command(binary, "-")
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(redisConfig(r.socket, pidFile) + strings.Join(lines, "\n") + "\n")
	if r.process, err = startProcess("redis", filepath.Join(dir, "log"), cmd, syscall.SIGTERM); err != nil {
		return nil, errors.Join(err, r.cleanUp())
	}
	if err := r.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

// redisConfig is what Redis reads from its standard input.
func redisConfig(socket, pidFile string) string {
	return fmt.Sprintf(`port 0
unixsocket %q
unixsocketperm 700
pidfile %q
daemonize no
databases %d
save ""
appendonly no
`, socket, pidFile, RedisDatabases)
}

func (r *Redis) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: r.socket, MaxRetries: -1})
	defer client.Close()
	for {
		// Nothing listens before the socket's file is there.
		if _, err := os.Stat(r.socket); err == nil && client.Ping(ctx).Err() == nil {
			return nil
		}
		select {
		case <-r.process.done:
			return r.process.failure()
		case <-ctx.Done():
			return fmt.Errorf("wait for redis: %w; the end of its log:\n%s", ctx.Err(), r.process.logTail())
		case <-time.After(pollInterval):
		}
	}
}

// URL returns where Redis is, as redis.ParseURL takes it.
func (r *Redis) URL() string { return "unix://" + r.socket + "?db=0" }

// Socket returns the path of Redis's socket.
func (r *Redis) Socket() string { return r.socket }

// Pid returns the process id of the server.
func (r *Redis) Pid() int { return r.process.pid() }

// Ended is closed when Redis has ended, by Stop or by itself.
func (r *Redis) Ended() <-chan struct{} { return r.process.done }

// Stop ends Redis and waits for it.
func (r *Redis) Stop() error {
	return errors.Join(r.process.stop(syscall.SIGTERM), r.cleanUp())
}

func (r *Redis) cleanUp() error {
	if r.temporary == "" {
		return nil
	}
	return os.RemoveAll(r.temporary)
}
