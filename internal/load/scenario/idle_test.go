package scenario

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/load/measure"
	"ping/internal/load/oracle"
	"ping/internal/load/wire"
	"ping/internal/load/workload"
	"ping/internal/wait"
)

func (f *fake) idleConfig() Config {
	cfg := f.config()
	cfg.Idle, cfg.Users, cfg.Quiet, cfg.Messages = 150, 60, 40*time.Millisecond, 0
	cfg.ServerPIDs = []int{os.Getpid()} // the fake is in this process
	return cfg
}

func TestIdle(t *testing.T) {
	f := newFake(t)
	metrics := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# HELP go_goroutines Those that exist.\ngo_goroutines 7\n" +
			"go_memstats_heap_inuse_bytes 2.097152e+06\ngo_memstats_stack_inuse_bytes 1048576\nother{a=\"b\"} 1\n"))
	}))
	t.Cleanup(metrics.Close)
	cfg := f.idleConfig()
	cfg.MetricsURLs = []string{metrics.URL, metrics.URL}
	figures, err := f.run(t.Context(), cfg)
	requirePassed(t, figures, err)
	require.Equal(t, 150, figures.Sockets)
	require.Equal(t, 2*workload.BlockGroups, figures.Groups, "of a block of 50 and one of 10")
	require.EqualValues(t, 2, figures.Accepted)
	require.EqualValues(t, 150, figures.Deliveries, "every socket receives one message")
	require.EqualValues(t, 150, figures.Idle.Open)
	require.Positive(t, figures.Idle.ConnectsPerSecond)
	require.Positive(t, figures.Idle.Settled.ResidentMB)
	require.Equal(t, 4.0, figures.Idle.Settled.HeapMB, "of two servers")
	require.Equal(t, 2.0, figures.Idle.Settled.StackMB)
	require.EqualValues(t, 14, figures.Idle.Settled.Goroutines)
}

func TestIdleFails(t *testing.T) {
	t.Run("when a socket is closed", func(t *testing.T) {
		f := newFake(t)
		closed := false
		f.onFrame = func(_ domain.ID, e fakeEvent) [][]byte {
			if e.name == "message.sent" && !closed {
				closed = true
				return [][]byte{nil}
			}
			return [][]byte{e.frame}
		}
		figures, err := f.run(t.Context(), f.idleConfig())
		require.ErrorIs(t, err, ErrFailed)
		require.EqualValues(t, 1, figures.Faults[oracle.ClosedIdle.String()], "%v", figures.Faults)
		require.EqualValues(t, 150, figures.Deliveries, "the socket came back")
	})
	t.Run("when a socket receives nothing", func(t *testing.T) {
		f := newFake(t)
		var deaf domain.ID
		f.onFrame = func(user domain.ID, e fakeEvent) [][]byte {
			if e.name == "message.sent" && (deaf.IsZero() || deaf == user) {
				deaf = user
				return nil
			}
			return [][]byte{e.frame}
		}
		figures, err := f.run(t.Context(), f.idleConfig())
		require.ErrorIs(t, err, ErrFailed)
		require.Positive(t, figures.Faults[oracle.Lost.String()], "%v", figures.Faults)
	})
}

func TestIdleRefuses(t *testing.T) {
	f := newFake(t)
	for name, change := range map[string]func(*Config){
		"more users than sockets": func(c *Config) { c.Users = c.Idle + 1 },
		"a rate":                  func(c *Config) { c.Rate = 5 },
		"no quiet":                func(c *Config) { c.Quiet = 0 },
		"too many":                func(c *Config) { c.Idle = maxUsers + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := f.idleConfig()
			change(&cfg)
			require.Error(t, cfg.Check())
		})
	}
}

// memoryOf is a run that measures process 7, whose memory falls from pages to
// lowest, by a twentieth every few milliseconds.
func memoryOf(t *testing.T, pages, lowest int) *run {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "7"), 0o755))
	write := func() {
		next := filepath.Join(root, "next")
		require.NoError(t, os.WriteFile(next, fmt.Appendf(nil, "0 %d 0 0 0 0 0", pages), 0o644))
		require.NoError(t, os.Rename(next, filepath.Join(root, "7", "statm")))
	}
	write()
	ctx, end := context.WithCancel(t.Context())
	var falling sync.WaitGroup
	falling.Go(func() {
		for pages > lowest && wait.Sleep(ctx, 4*time.Millisecond) {
			pages = max(pages-pages/20, lowest)
			write()
		}
	})
	t.Cleanup(falling.Wait)
	t.Cleanup(end)
	return &run{
		cfg: Config{Quiet: 200 * time.Millisecond}, counts: wire.NewCounts(), progress: measure.NewProgress(t.Output()),
		servers: measure.NewProcesses(root, []int{7}, nil),
	}
}

func TestIdleMemory(t *testing.T) {
	megabytes := func(pages int) float64 { return float64(pages*os.Getpagesize()) / (1 << 20) }
	printed := func(f *measure.IdleFigures) string {
		var out bytes.Buffer
		(&measure.Figures{Idle: f}).Print(&out)
		return out.String()
	}
	t.Run("is measured before sockets when it has settled", func(t *testing.T) {
		r := memoryOf(t, 10_000, 5000)
		r.beforeIdle(t.Context())
		require.Equal(t, measure.MemoryFigure{ResidentMB: megabytes(5000)}, r.figures.Idle.Before)
	})
	t.Run("says that it has not settled", func(t *testing.T) {
		r := memoryOf(t, 1<<40, 0)
		require.False(t, r.awaitMemory(t.Context(), 100*time.Millisecond))
		require.Contains(t, printed(&measure.IdleFigures{Before: measure.MemoryFigure{ResidentMB: 8, Falling: true}}), "still falling")
	})
	t.Run("shows nothing that only some servers told", func(t *testing.T) {
		asked := 0
		metrics := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked == 1 {
				_, _ = w.Write([]byte("go_goroutines 7\ngo_memstats_heap_inuse_bytes 2097152\ngo_memstats_stack_inuse_bytes 1048576\n"))
			}
		}))
		t.Cleanup(metrics.Close)
		r := memoryOf(t, 5000, 5000)
		r.cfg.MetricsURLs = []string{metrics.URL, metrics.URL}
		require.Equal(t, measure.MemoryFigure{ResidentMB: megabytes(5000)}, r.memory(t.Context()))
		require.Len(t, r.counts.Errors(), 1)
	})
	t.Run("shows no difference from what is not known", func(t *testing.T) {
		f := &measure.IdleFigures{Settled: measure.MemoryFigure{HeapMB: 30, StackMB: 10, Goroutines: 5}}
		f.Grown(100)
		require.Zero(t, f.KBPerSocket)
		require.Zero(t, f.LiveKBPerSocket)
		require.NotContains(t, printed(f), "per socket")
		require.NotContains(t, printed(f), "CPU of idle sockets")
		require.Contains(t, printed(f), "not known")
		f.Before = measure.MemoryFigure{HeapMB: 20, StackMB: 10}
		f.Grown(100)
		require.InDelta(t, 102.4, f.LiveKBPerSocket, 0.01)
	})
}

func TestOpenFiles(t *testing.T) {
	require.NoError(t, checkOpenFiles(1))
	require.ErrorContains(t, checkOpenFiles(1<<40), "sockets take")
	f := newFake(t)
	var was syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was))
	little := was
	little.Cur = 900
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &little))
	t.Cleanup(func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was)) })
	_, err := f.run(t.Context(), f.config())
	require.ErrorContains(t, err, "12 sockets take", "whatever is sent")
	require.Empty(t, f.names, "nobody was registered")
}
