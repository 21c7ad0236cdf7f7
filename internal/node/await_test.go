package node_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/node"
	"ping/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestAwaitPostgres(t *testing.T) {
	t.Run("waits until Postgres accepts connections", func(t *testing.T) {
		t.Parallel()
		target := testkit.DatabaseURL(t)
		config, err := url.Parse(target)
		require.NoError(t, err)
		// A proxy has the role of a Postgres that starts later than the node.
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr := listener.Addr().String()
		require.NoError(t, listener.Close())
		query := config.Query()
		socket := query.Get("host")
		port := query.Get("port")
		query.Del("host")
		query.Del("port")
		config.Host, config.RawQuery = addr, query.Encode()

		log := &waitingLog{waiting: make(chan struct{}, 1)}
		ended := make(chan error, 1)
		go func() {
			ended <- node.AwaitPostgres(t.Context(), node.Config{DatabaseURL: config.String(), StartTimeout: time.Minute}, slog.New(slog.NewTextHandler(log, nil)))
		}()
		<-log.waiting
		listener, err = net.Listen("tcp", addr)
		require.NoError(t, err)
		go func() {
			for {
				client, err := listener.Accept()
				if err != nil {
					return
				}
				server, err := net.Dial("unix", socket+"/.s.PGSQL."+port)
				if err != nil {
					_ = client.Close()
					continue
				}
				go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
				go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
			}
		}()
		require.NoError(t, <-ended)
		require.NoError(t, listener.Close())
	})

	t.Run("says what is missing when the time is over", func(t *testing.T) {
		t.Parallel()
		var log bytes.Buffer
		err := node.AwaitPostgres(t.Context(), node.Config{DatabaseURL: "postgres://ping@127.0.0.1:1/ping", StartTimeout: 50 * time.Millisecond},
			node.JSONLogger(&log, slog.LevelInfo))
		require.ErrorContains(t, err, "Postgres was unavailable for 50ms; start it, or correct DATABASE_URL")
		require.Contains(t, log.String(), `"msg":"Postgres is unavailable; waiting for it"`)
		require.Contains(t, log.String(), `"timeout":"50ms"`, "times in logs have units")
	})

	t.Run("does not wait for a database that does not exist", func(t *testing.T) {
		t.Parallel()
		config, err := url.Parse(testkit.DatabaseURL(t))
		require.NoError(t, err)
		config.Path = "/nowhere"
		err = node.AwaitPostgres(t.Context(), node.Config{DatabaseURL: config.String(), StartTimeout: time.Hour}, testkit.Logger(t))
		require.ErrorContains(t, err, "nowhere")
	})

	t.Run("ends with its context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := node.AwaitPostgres(ctx, node.Config{DatabaseURL: "postgres://ping@127.0.0.1:1/ping", StartTimeout: time.Hour}, testkit.Logger(t))
		require.ErrorIs(t, err, context.Canceled)
	})
}

// waitingLog reports the first line that says that Postgres is awaited.
type waitingLog struct{ waiting chan struct{} }

func (l *waitingLog) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "waiting for it") {
		select {
		case l.waiting <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}
