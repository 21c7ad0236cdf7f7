package devservices

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"
)

// NATS is an embedded NATS server with JetStream. It may be stopped and started
// again any number of times, at the same address and with the same store.
type NATS struct {
	server   *server.Server
	dir      string
	password string
	port     int
	logger   *slog.Logger
}

const natsUser = "ping"

// StartNATS starts a NATS server on a free loopback port with its store in dir,
// and returns when it takes connections.
func StartNATS(dir string, logger *slog.Logger) (*NATS, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("start nats: %w", err)
	}
	n := &NATS{dir: dir, password: newSecret(), port: server.RANDOM_PORT, logger: logger}
	if err := n.Start(); err != nil {
		return nil, err
	}
	return n, nil
}

// Start starts the server again after Stop, at the address it had.
func (n *NATS) Start() error {
	if err := makeFolder(n.dir, 0o700); err != nil {
		return fmt.Errorf("start nats: %w", err)
	}
	// The server warns about passwords that it is given as they are.
	hash, err := bcrypt.GenerateFromPassword([]byte(n.password), bcrypt.MinCost)
	if err != nil {
		return fmt.Errorf("start nats: %w", err)
	}
	s, err := server.NewServer(&server.Options{
		ServerName:             "ping",
		Host:                   "127.0.0.1",
		Port:                   n.port,
		Username:               natsUser,
		Password:               string(hash),
		JetStream:              true,
		StoreDir:               n.dir,
		SyncInterval:           time.Second, // Postgres is the truth: what the store loses is published again
		DisableJetStreamBanner: true,
		NoSigs:                 true,
	})
	if err != nil {
		return fmt.Errorf("start nats: %w", err)
	}
	log := &natsLogger{logger: n.logger}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	err = log.fatal()
	if err == nil && !s.ReadyForConnections(readyTimeout) {
		err = fmt.Errorf("not ready within %s", readyTimeout)
	}
	if err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf("start nats: %w", err)
	}
	n.server = s
	n.port = s.Addr().(*net.TCPAddr).Port
	return nil
}

// ClientURL returns where the server is, with its user and password.
func (n *NATS) ClientURL() string {
	u := url.URL{Scheme: "nats", User: url.UserPassword(natsUser, n.password), Host: n.Addr()}
	return u.String()
}

// Addr returns the host:port that the server listens on.
func (n *NATS) Addr() string { return fmt.Sprintf("127.0.0.1:%d", n.port) }

// InProcessConn makes a connection that passes no socket. It makes NATS what
// nats.InProcessServer takes; such a connection names the user by ClientURL too.
func (n *NATS) InProcessConn() (net.Conn, error) { return n.server.InProcessConn() }

// Stop ends the server and waits until its store is closed. A stream that was
// being made when the server shuts down may be left open, so what is asked of
// JetStream is answered first, if that does not take long.
func (n *NATS) Stop() {
	for patience := time.Now().Add(time.Second); time.Now().Before(patience); time.Sleep(time.Millisecond) {
		if info, err := n.server.Jsz(nil); err != nil || info.API.Inflight == 0 {
			break
		}
	}
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// Dir returns the folder of the server's store.
func (n *NATS) Dir() string { return n.dir }
