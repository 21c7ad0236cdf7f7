package eventlog_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/internal/eventlog"
	"ping/internal/testkit"
)

// readTail reads n events after a position and checks that they are consecutive.
func readTail(t require.TestingT, ctx context.Context, l *node, after int64, n int) []string {
	tail := l.Tail(0, after)
	defer tail.Close()
	var frames []string
	for len(frames) < n {
		events, err := tail.Next(ctx)
		require.NoError(t, err)
		require.NotEmpty(t, events)
		for _, e := range events {
			after++
			require.Equal(t, after, e.Position)
			frames = append(frames, string(e.Frame))
		}
	}
	return frames
}

func TestTail(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	small := eventlog.Config{Partitions: 1, Recent: 16}
	n := open(t, pool, broker.ClientURL(), small)
	owner, group := eventlog.NewID(), eventlog.NewID()
	n.createGroup(t, group, owner)
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			for range 80 {
				if _, err := n.send(t.Context(), group, owner, uuid.NewString(), "x"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	const total = 2 + 64*80
	want := framesInLog(t, pool)[0]
	requireMirrored(t, pool, broker.ClientURL(), 1)

	t.Run("any position, from memory, JetStream or Postgres", func(t *testing.T) {
		ctx := t.Context()
		rapid.Check(t, func(t *rapid.T) {
			after := rapid.Int64Range(0, total-1).Draw(t, "after")
			count := min(700, int(total-after))
			require.Equal(t, want[after:int(after)+count], readTail(t, ctx, n, after, count)[:count])
		})
		fromMirror, fromPostgres := n.TailSources()
		require.Positive(t, fromMirror, "JetStream was read")
		require.Positive(t, fromPostgres, "so was Postgres")
	})

	t.Run("holes in the mirror are filled", func(t *testing.T) {
		stream, err := jetStream(t, broker.ClientURL()).Stream(t.Context(), "PING_E1_P00")
		require.NoError(t, err)
		for _, hole := range []uint64{1, 700, 701, 1500, total} {
			require.NoError(t, stream.DeleteMsg(t.Context(), hole))
		}
		require.Equal(t, want, readTail(t, t.Context(), n, 0, total))
	})

	t.Run("what a mirror that begins later lacks is read from Postgres", func(t *testing.T) {
		stream, err := jetStream(t, broker.ClientURL()).Stream(t.Context(), "PING_E1_P00")
		require.NoError(t, err)
		require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSequence(1000)))
		require.Equal(t, want, readTail(t, t.Context(), n, 0, total))
	})

	t.Run("waits for the next events, also from another node", func(t *testing.T) {
		other := open(t, pool, broker.ClientURL(), small)
		tail := n.Tail(0, total)
		defer tail.Close()
		got := make(chan []*eventlog.Event, 1)
		go func() {
			events, err := tail.Next(context.Background())
			if err != nil {
				t.Error(err)
			}
			got <- events
		}()
		sent := other.mustSend(t, group, owner, "news")
		select {
		case events := <-got:
			require.Equal(t, string(sent.Frame), string(events[0].Frame))
		case <-time.After(10 * time.Second):
			t.Fatal("the tail did not wake")
		}
	})

	t.Run("continues without NATS", func(t *testing.T) {
		broker.Stop()
		other := open(t, pool, broker.ClientURL(), small)
		sent := other.mustSend(t, group, owner, "through Postgres")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		frames := readTail(t, ctx, n, 0, int(sent.Position))
		require.Equal(t, string(sent.Frame), frames[len(frames)-1])
	})
}

func TestWait(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	n := open(t, pool, broker.ClientURL())
	tips := n.Tips()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Wait(ctx, tips)
	require.ErrorIs(t, err, context.Canceled)

	woken := make(chan []int64, 1)
	go func() {
		tips, err := n.Wait(context.Background(), tips)
		if err != nil {
			t.Error(err)
		}
		woken <- tips
	}()
	group := eventlog.NewID()
	n.createGroup(t, group, eventlog.NewID())
	select {
	case tips := <-woken:
		require.EqualValues(t, 2, tips[n.PartitionOf(group)])
	case <-time.After(10 * time.Second):
		t.Fatal("Wait did not wake")
	}
}
