package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
)

// startDev runs `ping dev` as a process, in a process group of its own as a
// shell does, and returns it when it serves, with where.
func startDev(t *testing.T, folder string) (dev *exec.Cmd, base string) {
	t.Helper()
	dev = harness.Command(t, "dev", "--data", folder, "--addr", "127.0.0.1:0")
	dev.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dev.Stderr = t.Output()
	out, err := dev.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, dev.Start())
	t.Cleanup(func() {
		if dev.ProcessState == nil { // the test failed before it had ended
			_ = dev.Process.Kill()
			_ = dev.Wait()
		}
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if name, where, _ := strings.Cut(lines.Text(), " "); name == "Ping" {
			base = strings.TrimSpace(where)
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			require.Equal(t, http.StatusOK, (&harness.Client{Base: base}).Call(t, "GET", "/readyz", nil).Status)
			return dev, base
		}
	}
	require.Fail(t, "ping dev ended before it served", dev.Wait())
	return nil, ""
}

// partsOf returns the process ids of the parts that run in the folder.
func partsOf(t *testing.T, folder string) (pids []int) {
	t.Helper()
	for _, file := range []string{"postgres/data/postmaster.pid", "redis/redis.pid"} {
		content, err := os.ReadFile(filepath.Join(folder, file))
		require.NoError(t, err)
		first, _, _ := strings.Cut(string(content), "\n")
		pid, err := strconv.Atoi(first)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	return pids
}

func isEnded(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

func TestDev(t *testing.T) {
	harness.ClearSettings(t)
	folder := filepath.Join(t.TempDir(), "data")

	dev, base := startDev(t, folder)
	harness.Register(t, base, "ada")
	env, err := os.ReadFile(filepath.Join(folder, "env"))
	require.NoError(t, err)
	require.Contains(t, string(env), "PING_LIMITS='off'", "one more node takes as much")
	pids := partsOf(t, folder)
	// As a terminal does: to all of the foreground's process group.
	require.NoError(t, syscall.Kill(-dev.Process.Pid, syscall.SIGINT))
	require.NoError(t, dev.Wait(), "Ctrl-C is no failure")
	for _, pid := range pids {
		require.True(t, isEnded(pid), "process %d runs on", pid)
	}

	dev, base = startDev(t, folder)
	harness.LogIn(t, base, "ada")
	pids = partsOf(t, folder)
	require.NoError(t, dev.Process.Kill())
	require.Error(t, dev.Wait())

	dev, base = startDev(t, folder)
	harness.LogIn(t, base, "ada")
	for _, pid := range pids {
		require.Eventually(t, func() bool { return isEnded(pid) }, 20*time.Second, 10*time.Millisecond)
	}
	require.NoError(t, dev.Process.Signal(syscall.SIGTERM))
	require.NoError(t, dev.Wait())
}

func TestDevTellsThatAPartEnded(t *testing.T) {
	harness.ClearSettings(t)
	folder := filepath.Join(t.TempDir(), "data")
	dev, _ := startDev(t, folder)
	redis := partsOf(t, folder)[1]
	require.NoError(t, syscall.Kill(redis, syscall.SIGKILL))
	var exit *exec.ExitError
	require.ErrorAs(t, dev.Wait(), &exit)
	require.Equal(t, 1, exit.ExitCode())
}
