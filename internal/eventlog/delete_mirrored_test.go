package eventlog_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/eventlog"
	"ping/internal/testkit"
)

func TestDeleteMirrored(t *testing.T) {
	t.Run("fails while the mirror does not have the events yet", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		broker.Stop()
		n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1, MaxMemoryAge: time.Second})
		group, _, erased := aTalk(t, n)
		positions := n.redact(t, group, erased)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Error(t, n.DeleteMirrored(ctx, 0, positions))
		require.NoError(t, broker.Start())
		require.Eventually(t, func() bool { return n.DeleteMirrored(t.Context(), 0, positions) == nil }, 20*time.Second, 10*time.Millisecond)
		requireHolesOnly(t, pool, broker.ClientURL(), 0) // it was filled from Postgres, after the redaction
		requireUnmarked(t, broker.Dir())
	})
	t.Run("a mirror with more than a hundred of them is emptied, and continues", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1, MaxMemoryAge: time.Second})
		group, owner, erased := aTalk(t, n)
		for range 100 {
			n.mustSend(t, group, erased, marker)
		}
		requireMirrored(t, pool, broker.ClientURL(), 1)
		positions := n.redact(t, group, erased)
		require.NoError(t, n.AwaitForgotten(t.Context()))
		require.NoError(t, n.DeleteMirrored(t.Context(), 0, positions))
		require.Zero(t, requireMirrored(t, pool, broker.ClientURL(), 1))
		// The server deletes the files of purged messages in the background.
		require.Eventually(t, func() bool { return len(marked(t, broker.Dir())) == 0 }, 20*time.Second, 10*time.Millisecond)
		n.mustSend(t, group, owner, "the next message")
		require.NoError(t, n.DeleteMirrored(t.Context(), 0, positions), "a second time finds nothing")
		require.Equal(t, 1, requireMirrored(t, pool, broker.ClientURL(), 1))
		want := framesInLog(t, pool)[0]
		require.Equal(t, want, readTail(t, t.Context(), n, 0, len(want)))
		broker.Stop()
		require.NoError(t, broker.Start())
		n.mustSend(t, group, owner, "also after a restart")
		require.Equal(t, 2, requireMirrored(t, pool, broker.ClientURL(), 1))
	})
	t.Run("the mirrors of earlier epochs are deleted as a whole", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1})
		aTalk(t, n)
		requireMirrored(t, pool, broker.ClientURL(), 1)
		require.NoError(t, n.DropOldMirrors(t.Context()))
		require.NotEmpty(t, marked(t, broker.Dir()), "the current one stays")
		require.NoError(t, n.stop())
		_, err := eventlog.BumpEpoch(t.Context(), pool)
		require.NoError(t, err)
		n = open(t, pool, broker.ClientURL())
		requireMirrored(t, pool, broker.ClientURL(), 2)
		require.NoError(t, n.DropOldMirrors(t.Context()))
		_, err = jetStream(t, broker.ClientURL()).Stream(t.Context(), "PING_E1_P00")
		require.Error(t, err)
		requireMirrored(t, pool, broker.ClientURL(), 2)
	})
}
