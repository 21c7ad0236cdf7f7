package devservices

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresDatabase is the database that a private Postgres has from the start.
const PostgresDatabase = "ping"

// PostgresConfig is how a private Postgres differs from a durable one.
type PostgresConfig struct {
	// Scratch is for tests that never kill it: nothing waits for the disk, and
	// it listens on its socket alone. Default: false, durable.
	Scratch bool
}

// Postgres is a private Postgres.
type Postgres struct {
	process   *process
	sockets   string // the folder of its socket
	temporary bool   // whether that folder goes at the end
	port      int
	password  string
}

// StartPostgres starts a Postgres with its data, socket and log below dir, and
// returns when it takes connections. A new folder gets a new cluster. What an
// earlier run left is ended or cleared away first.
func StartPostgres(ctx context.Context, dir string, cfg PostgresConfig) (*Postgres, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if err := makeFolder(dir, 0o711); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	data := filepath.Join(dir, "data")
	install, err := choosePostgres(installedPostgres(), data)
	if err != nil {
		return nil, err
	}
	owner, err := postgresAccount(data)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		if err := initCluster(ctx, install, owner, dir, cfg); err != nil {
			return nil, err
		}
	}
	if err := endEarlier("postgres", filepath.Join(data, "postmaster.pid"), "postgres", data, syscall.SIGINT); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(readyTimeout)
	for {
		p, err := startOnce(ctx, install, owner, dir, cfg)
		if err == nil {
			return p, nil
		}
		if !errors.Is(err, errTryAgain) || ctx.Err() != nil || time.Now().After(deadline) {
			return nil, fmt.Errorf("start postgres: %w", err)
		}
	}
}

// errTryAgain marks failures that end by themselves.
var errTryAgain = errors.New("it may work again in a moment")

func startOnce(ctx context.Context, install postgresInstall, owner *account, dir string, cfg PostgresConfig) (*Postgres, error) {
	p := &Postgres{port: 5432} // names the socket; a scratch one has no other
	password, err := os.ReadFile(filepath.Join(dir, "password"))
	if err != nil {
		return nil, err
	}
	p.password = strings.TrimSpace(string(password))
	if !cfg.Scratch {
		if p.port, err = freePort(); err != nil {
			return nil, err
		}
	}
	if p.sockets, p.temporary, err = socketFolder(dir, fmt.Sprintf(".s.PGSQL.%d.lock", p.port)); err != nil {
		return nil, err
	}
	if err := owner.give(p.sockets); err != nil {
		return nil, errors.Join(err, p.cleanUp())
	}
	cmd := exec.Command(filepath.Join(install.bin, "postgres"), p.arguments(dir, cfg)...)
	cmd.Dir = "/"
	cmd.Env = postgresEnv()
	if err := owner.apply(cmd, dir); err != nil {
		return nil, errors.Join(err, p.cleanUp())
	}
	if p.process, err = startProcess("postgres", filepath.Join(dir, "log"), cmd, syscall.SIGINT); err != nil {
		return nil, errors.Join(err, p.cleanUp())
	}
	if err := p.awaitReady(ctx, filepath.Join(dir, "data")); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// arguments are Postgres's settings. They are given here, not in a file, so
// that a data folder of any age is run with today's.
func (p *Postgres) arguments(dir string, cfg PostgresConfig) []string {
	settings := []string{
		"max_connections=200",
		`unix_socket_directories="` + strings.ReplaceAll(p.sockets, `"`, `""`) + `"`,
		"timezone=UTC",
		"log_timezone=UTC",
		"lc_messages=C",
		// Details of an error may quote rows, and rows hold what people wrote.
		"log_error_verbosity=terse",
		"log_min_error_statement=panic",
		"jit=off", // compiling costs more than any of these queries
	}
	if cfg.Scratch {
		settings = append(settings, "listen_addresses=", "shared_buffers=64MB",
			"fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=256MB")
	} else {
		settings = append(settings, "listen_addresses=127.0.0.1", "shared_buffers=256MB",
			"fsync=on", "synchronous_commit=on",
			"max_wal_size=2GB", "checkpoint_timeout=15min", "wal_compression=off")
	}
	args := []string{"-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(p.port)}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

func (p *Postgres) awaitReady(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for !p.ready(data) {
		select {
		case <-p.process.done:
			return p.startFailure()
		case <-ctx.Done():
			return fmt.Errorf("wait until it is ready: %w; the end of its log:\n%s", ctx.Err(), p.process.logTail())
		case <-time.After(pollInterval):
		}
	}
	return p.createDatabase(ctx)
}

// ready reads the line of the pid file in which Postgres tells its state.
func (p *Postgres) ready(data string) bool {
	content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(content), "\n")
	return len(lines) > 7 && lines[0] == strconv.Itoa(p.process.pid()) && strings.TrimSpace(lines[7]) == "ready"
}

// startFailure tells apart what passes by itself: a port that another process
// took in the last milliseconds, and children of a killed Postgres which have
// not all noticed yet.
func (p *Postgres) startFailure() error {
	err := p.process.failure()
	log := p.process.logTail()
	for _, passing := range []string{"Address already in use", "could not create any TCP/IP sockets", "pre-existing shared memory block"} {
		if strings.Contains(log, passing) {
			return fmt.Errorf("%w; %w", err, errTryAgain)
		}
	}
	return err
}

func (p *Postgres) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the new postgres: %w", err)
	}
	defer conn.Close(ctx)
	var exists bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, PostgresDatabase).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+PostgresDatabase)
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", PostgresDatabase, err)
	}
	return nil
}

// URL returns where a database of this Postgres is, by its socket.
func (p *Postgres) URL(database string) string {
	query := url.Values{"host": {p.sockets}, "port": {strconv.Itoa(p.port)}, "user": {postgresUser}}
	u := url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: query.Encode()}
	return u.String()
}

// LoopbackURL returns the same by loopback, with the password, for tools that
// know no Unix sockets. A scratch Postgres does not listen there.
func (p *Postgres) LoopbackURL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(postgresUser, p.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)), Path: "/" + database,
	}
	return u.String()
}

// Port returns the loopback port. A scratch Postgres does not listen there.
func (p *Postgres) Port() int { return p.port }

// Pid returns the process id of the postmaster.
func (p *Postgres) Pid() int { return p.process.pid() }

// Ended is closed when Postgres has ended, by Stop or by itself.
func (p *Postgres) Ended() <-chan struct{} { return p.process.done }

// Stop ends Postgres, its connections first, and waits until all is on disk.
func (p *Postgres) Stop() error {
	return errors.Join(p.process.stop(syscall.SIGINT), p.cleanUp())
}

func (p *Postgres) cleanUp() error {
	if !p.temporary {
		return nil
	}
	return os.RemoveAll(p.sockets)
}

// freePort returns a loopback port that nobody listened on just now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
