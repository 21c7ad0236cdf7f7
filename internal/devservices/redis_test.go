package devservices

import (
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func startRedis(t *testing.T, dir string) (*Redis, *redis.Client) {
	t.Helper()
	r, err := StartRedis(t.Context(), dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Stop() }) // the test may have ended it
	options, err := redis.ParseURL(r.URL())
	require.NoError(t, err)
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() }) // nothing is lost with it
	return r, client
}

func TestRedis(t *testing.T) {
	t.Run("writes nothing to disk", func(t *testing.T) {
		dir := t.TempDir()
		first, client := startRedis(t, dir)
		require.NoError(t, client.Set(t.Context(), "key", "value", 0).Err())
		for setting, value := range map[string]string{"save": "", "appendonly": "no"} {
			got, err := client.ConfigGet(t.Context(), setting).Result()
			require.NoError(t, err)
			require.Equal(t, value, got[setting], setting)
		}
		require.NoError(t, first.Stop())
		requireEnded(t, first.process.pid())
		_, client = startRedis(t, dir)
		exists, err := client.Exists(t.Context(), "key").Result()
		require.NoError(t, err)
		require.Zero(t, exists)
	})
	t.Run("starts where an earlier one was killed", func(t *testing.T) {
		dir := t.TempDir()
		first, _ := startRedis(t, dir)
		require.NoError(t, syscall.Kill(first.process.pid(), syscall.SIGKILL))
		<-first.Ended()
		startRedis(t, dir)
	})
	t.Run("says how to install it", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := StartRedis(t.Context(), t.TempDir())
		require.ErrorContains(t, err, "make deps")
	})
}

func TestNATS(t *testing.T) {
	t.Run("says that its port is taken", func(t *testing.T) {
		first, err := StartNATS(t.TempDir(), discard())
		require.NoError(t, err)
		defer first.Stop()
		second := &NATS{dir: t.TempDir(), port: first.port, logger: discard()}
		require.ErrorContains(t, second.Start(), "address already in use")
	})
}
