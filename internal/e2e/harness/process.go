package harness

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/internal/node"
	"ping/internal/postgres"
	"ping/internal/testkit"
)

// binary builds the program once per test binary. The file is shared by all
// packages of a run: go build leaves one that is up to date as it is.
var binary = sync.OnceValues(func() (string, error) {
	folder := filepath.Join(os.TempDir(), "ping-e2e-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() // which unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	file := filepath.Join(folder, "ping")
	out, err := exec.Command("go", "build", "-o", file, "ping/cmd/ping").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build ping: %w\n%s", err, out)
	}
	return file, nil
})

// Command returns a command of the program, built from this tree.
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	file, err := binary()
	require.NoError(t, err)
	return exec.Command(file, args...)
}

// ServeAt runs a node as a process at addr and returns once it serves.
func ServeAt(t *testing.T, w World, addr string) *exec.Cmd {
	t.Helper()
	node := Command(t, "serve", "--addr", addr)
	node.Env = append(os.Environ(), "DATABASE_URL="+w.Config.DatabaseURL, "REDIS_URL="+w.Config.RedisURL,
		"NATS_URL="+w.Config.NATSURL, "JWT_SECRET="+w.Config.JWTSecret, "PING_DATABASE_CONNS="+strconv.Itoa(w.Config.DatabaseConns),
		"PING_LIMITS=off", "PING_METRICS_ADDR=127.0.0.1:0")
	node.Stderr = t.Output()
	require.NoError(t, node.Start())
	t.Cleanup(func() {
		if node.ProcessState == nil {
			_ = node.Process.Kill() // it may have ended already
			_ = node.Wait()
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, time.Minute, 10*time.Millisecond)
	return node
}

// FreeAddr returns an address on which nothing listened a moment ago.
func FreeAddr(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	return free.Addr().String()
}

// Kill ends a process as a crash does.
func Kill(t *testing.T, process *exec.Cmd) {
	t.Helper()
	require.NoError(t, process.Process.Kill())
	_ = process.Wait() // the error says that it was killed
}

// PoolOf connects to the database of a world.
func PoolOf(t *testing.T, w World) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.NewPool(t.Context(), w.Config.DatabaseURL, 0)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// ClearSettings removes settings from the environment of the tests.
func ClearSettings(t *testing.T) {
	t.Helper()
	for _, s := range node.Settings {
		t.Setenv(s.Env, "") // restores it at the end
		require.NoError(t, os.Unsetenv(s.Env))
	}
}

// Main runs the tests of a package: see testkit.Main.
func Main(m *testing.M) {
	node.QuietRedis()
	testkit.Main(m)
}

// Document reads a file of the repository, from a package two folders below
// internal.
func Document(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile("../../../" + path)
	require.NoError(t, err)
	return string(content)
}
