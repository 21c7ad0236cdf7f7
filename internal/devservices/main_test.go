package devservices

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// holderFolder names the folder in which this test binary, started by a test,
// runs parts until it is killed.
const holderFolder = "PING_TEST_HOLDER_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holderFolder); dir != "" {
		holdParts(dir)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if dir, err := prepared(); err == nil {
			_ = os.RemoveAll(dir) // the system's clean-up of temporary folders does else
		}
		os.Exit(code)
	}))
}

func holdParts(dir string) {
	postgres, err := StartPostgres(context.Background(), dir+"/postgres", PostgresConfig{})
	if err != nil {
		panic(err)
	}
	redis, err := StartRedis(context.Background(), dir+"/redis")
	if err != nil {
		panic(err)
	}
	fmt.Println(postgres.Pid(), redis.process.pid())
	select {}
}

// startHolder starts a process that runs parts in dir, and returns it with their
// process ids.
func startHolder(t *testing.T, dir string) (holder *exec.Cmd, pids []int) {
	t.Helper()
	holder = exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holderFolder+"="+dir)
	holder.Stderr = os.Stderr
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pids = make([]int, 2)
	_, err = fmt.Sscan(strings.TrimSpace(line), &pids[0], &pids[1])
	require.NoError(t, err)
	return holder, pids
}

func requireEnded(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH },
		20*time.Second, 10*time.Millisecond, "process %d runs on", pid)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
