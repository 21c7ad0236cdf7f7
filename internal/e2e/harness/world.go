package harness

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/devservices"
	"ping/internal/node"
	"ping/internal/testkit"
)

// World has the engines that some nodes share.
type World struct {
	Config node.Config
	NATS   *devservices.NATS
}

// NewWorld gives a test engines of its own.
func NewWorld(t *testing.T) World {
	t.Helper()
	redis := testkit.Redis(t).Options()
	server := testkit.NATS(t)
	return World{
		NATS: server,
		Config: node.Config{
			DatabaseURL: testkit.DatabaseURL(t), RedisURL: "unix://" + redis.Addr + "?db=" + strconv.Itoa(redis.DB),
			NATSURL: server.ClientURL(), JWTSecret: strings.Repeat("s", node.MinSecret),
			Drain: 100 * time.Millisecond, DatabaseConns: 12,
		},
	}
}

// StartNode runs a node until the test ends and returns its base URL.
func StartNode(t *testing.T, w World) (base string) {
	t.Helper()
	_, base = RunNode(t, w)
	return base
}

// RunNode is StartNode that also returns the node.
func RunNode(t *testing.T, w World) (n *node.Node, base string) {
	t.Helper()
	n, base, _ = RunNodeLogging(t, w, testkit.Logger(t))
	return n, base
}

// RunNodeLogging is RunNode with a logger, and with a function that stops the
// node before the end of the test.
func RunNodeLogging(t *testing.T, w World, logger *slog.Logger) (n *node.Node, base string, stop func()) {
	t.Helper()
	clients, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n, err = node.New(t.Context(), w.Config, logger)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx, node.Listeners{Clients: clients}) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return n, "http://" + clients.Addr().String(), stop
}
