package testkit

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

func TestPool(t *testing.T) {
	t.Run("gives each test a database of its own, migrated and empty", func(t *testing.T) {
		first, second := Pool(t), Pool(t)
		_, err := first.Exec(t.Context(), `INSERT INTO log.meta (partitions, epoch) VALUES (16, 1)`)
		require.NoError(t, err)
		var rows int
		require.NoError(t, second.QueryRow(t.Context(), `SELECT count(*) FROM log.meta`).Scan(&rows))
		require.Zero(t, rows)
	})
	t.Run("serves many tests at once", func(t *testing.T) {
		for range 8 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				require.NoError(t, Pool(t).Ping(t.Context()))
			})
		}
	})
}

func TestRedis(t *testing.T) {
	first, second := Redis(t), Redis(t)
	require.NoError(t, first.Set(t.Context(), "key", "value", 0).Err())
	exists, err := second.Exists(t.Context(), "key").Result()
	require.NoError(t, err)
	require.Zero(t, exists)
}

func TestNATS(t *testing.T) {
	t.Run("keeps its address and its store when it is stopped and started", func(t *testing.T) {
		server := NATS(t)
		before := server.ClientURL()
		conn, err := nats.Connect(before)
		require.NoError(t, err)
		defer conn.Close()
		js, err := conn.JetStream()
		require.NoError(t, err)
		_, err = js.AddStream(&nats.StreamConfig{Name: "KEPT", Subjects: []string{"kept"}})
		require.NoError(t, err)
		_, err = js.Publish("kept", []byte("message"))
		require.NoError(t, err)

		server.Stop()
		require.NoError(t, server.Start())

		require.Equal(t, before, server.ClientURL())
		again, err := nats.Connect(before)
		require.NoError(t, err)
		defer again.Close()
		js, err = again.JetStream()
		require.NoError(t, err)
		info, err := js.StreamInfo("KEPT")
		require.NoError(t, err)
		require.EqualValues(t, 1, info.State.LastSeq)
	})
}
