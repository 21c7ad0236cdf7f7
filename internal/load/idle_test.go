package load

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
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
	require.Equal(t, 2*blockGroups, figures.Groups, "of a block of 50 and one of 10")
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
	t.Run("when_a_socket_is_closed", func(t *testing.T) {
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
		require.EqualValues(t, 1, figures.Faults[closedIdle.String()], "%v", figures.Faults)
		require.EqualValues(t, 150, figures.Deliveries, "the socket came back")
	})
	t.Run("when_a_socket_receives_nothing", func(t *testing.T) {
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
		require.Positive(t, figures.Faults[lost.String()], "%v", figures.Faults)
	})
}

func TestIdleRefuses(t *testing.T) {
	f := newFake(t)
	for name, change := range map[string]func(*Config){
		"more_users_than_sockets": func(c *Config) { c.Users = c.Idle + 1 },
		"a_rate":                  func(c *Config) { c.Rate = 5 },
		"no_quiet":                func(c *Config) { c.Quiet = 0 },
		"too_many":                func(c *Config) { c.Idle = maxUsers + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := f.idleConfig()
			change(&cfg)
			require.Error(t, cfg.Check())
		})
	}
}
