package devservices

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// prepared is a folder with a cluster that the tests copy: making one takes
// much longer.
var prepared = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ping-parts-")
	if err != nil {
		return "", err
	}
	p, err := StartPostgres(context.Background(), dir, PostgresConfig{})
	if err != nil {
		return dir, err
	}
	return dir, p.Stop()
})

// newFolder returns a folder with a Postgres that ran before.
func newFolder(t *testing.T) string {
	t.Helper()
	from, err := prepared()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "postgres")
	out, err := exec.Command("cp", "-Rp", from, dir).CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

func startPostgres(t *testing.T, dir string) *Postgres {
	t.Helper()
	p, err := StartPostgres(t.Context(), dir, PostgresConfig{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Stop() }) // the test may have ended it
	return p
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return value
}

const readKept = `SELECT value FROM kept`

func keep(t *testing.T, p *Postgres) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.URL(PostgresDatabase))
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `CREATE TABLE kept AS SELECT 42 AS value`)
	require.NoError(t, err)
}

func TestPostgres(t *testing.T) {
	t.Run("keeps its data over a restart", func(t *testing.T) {
		dir := newFolder(t)
		p := startPostgres(t, dir)
		keep(t, p)
		require.NoError(t, p.Stop())
		requireEnded(t, p.Pid())
		require.EqualValues(t, 42, query[int](t, startPostgres(t, dir).URL(PostgresDatabase), readKept))
	})

	t.Run("recovers when it was killed under open connections", func(t *testing.T) {
		dir := newFolder(t)
		p := startPostgres(t, dir)
		keep(t, p)
		conn, err := pgx.Connect(t.Context(), p.URL(PostgresDatabase))
		require.NoError(t, err)
		defer conn.Close(t.Context())
		require.NoError(t, syscall.Kill(p.Pid(), syscall.SIGKILL))
		<-p.Ended()
		require.FileExists(t, filepath.Join(dir, "data", "postmaster.pid"))
		require.EqualValues(t, 42, query[int](t, startPostgres(t, dir).URL(PostgresDatabase), readKept))
	})

	t.Run("ends one that an earlier run left in the folder", func(t *testing.T) {
		dir := newFolder(t)
		left := startPostgres(t, dir)
		keep(t, left)
		p := startPostgres(t, dir)
		<-left.Ended()
		require.EqualValues(t, 42, query[int](t, p.URL(PostgresDatabase), readKept))
	})

	t.Run("starts when another process has the number in a stale pid file", func(t *testing.T) {
		dir := newFolder(t)
		stale := fmt.Sprintf("%d\n%s\n", os.Getpid(), filepath.Join(dir, "data"))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(stale), 0o644))
		startPostgres(t, dir)
	})

	t.Run("waits for the disk unless it is for tests", func(t *testing.T) {
		p := startPostgres(t, newFolder(t))
		for setting, value := range map[string]string{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"} {
			require.Equal(t, value, query[string](t, p.URL("postgres"), "SHOW "+setting), setting)
		}
	})

	t.Run("takes a folder whose path is too long for a socket", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), strings.Repeat("long", 25))
		p := startPostgres(t, dir)
		require.EqualValues(t, 1, query[int](t, p.URL("postgres"), `SELECT 1`))
		require.NoError(t, p.Stop())
		require.NoDirExists(t, p.sockets)
	})

	t.Run("asks for the password by loopback", func(t *testing.T) {
		p := startPostgres(t, newFolder(t))
		require.EqualValues(t, 1, query[int](t, p.LoopbackURL("postgres"), `SELECT 1`))
		_, err := pgx.Connect(t.Context(), strings.Replace(p.LoopbackURL("postgres"), p.password, "guess", 1))
		require.ErrorContains(t, err, "password authentication failed")
	})

	t.Run("begins again when an earlier initdb was killed", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700))
		startPostgres(t, dir)
	})
}

func TestPostgresVersions(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("99\n"), 0o600))

	t.Run("names both when the data is of another one", func(t *testing.T) {
		_, err := StartPostgres(t.Context(), dir, PostgresConfig{})
		require.ErrorContains(t, err, "PostgreSQL 99")
		require.ErrorContains(t, err, fmt.Sprintf("PostgreSQL %d", installedPostgres()[0].major))
	})
	t.Run("prefers the one that wrote the data", func(t *testing.T) {
		chosen, err := choosePostgres([]postgresInstall{{"/new", 100}, {"/old", 99}}, data)
		require.NoError(t, err)
		require.Equal(t, "/old", chosen.bin)
	})
	t.Run("refuses one that is too old", func(t *testing.T) {
		_, err := choosePostgres([]postgresInstall{{"/old", 9}}, t.TempDir())
		require.ErrorContains(t, err, "PostgreSQL 9 is installed")
	})
	t.Run("says how to install one", func(t *testing.T) {
		_, err := choosePostgres(nil, t.TempDir())
		require.ErrorContains(t, err, "make deps")
	})
}

func TestPostgresDropsRoot(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only root has privileges to drop")
	}
	uidOf := func(p *Postgres) string {
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Pid()), "status"))
		require.NoError(t, err)
		_, uids, found := strings.Cut(string(status), "\nUid:\t")
		require.True(t, found)
		return strings.Fields(uids)[0]
	}
	t.Run("and runs in a folder that only root may enter", func(t *testing.T) {
		closed := t.TempDir()
		require.NoError(t, os.Chmod(closed, 0o700))
		p := startPostgres(t, filepath.Join(closed, "postgres"))
		require.NotEqual(t, "0", uidOf(p))
		require.EqualValues(t, 1, query[int](t, p.URL("postgres"), `SELECT 1`))
	})
	t.Run("and runs as the owner of the data", func(t *testing.T) {
		dir := newFolder(t)
		const owner = 12345
		require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			require.NoError(t, err)
			return os.Lchown(path, owner, owner)
		}))
		require.Equal(t, strconv.Itoa(owner), uidOf(startPostgres(t, dir)))
	})
}

func TestPartsEndWithTheirKilledParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends them at once; elsewhere the next start does")
	}
	for name, mode := range map[string]os.FileMode{"open folder": 0o755, "closed folder": 0o700} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Dir(newFolder(t))
			require.NoError(t, os.Chmod(dir, mode))
			holder, pids := startHolder(t, dir)
			require.NoError(t, holder.Process.Kill())
			_ = holder.Wait() // it was killed
			// The next run need not wait for the end of the earlier one's.
			startPostgres(t, filepath.Join(dir, "postgres"))
			for _, pid := range pids {
				requireEnded(t, pid)
			}
		})
	}
}
