package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/devservices"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

// requireMirrored waits until JetStream holds the log's last event of every
// partition, and checks that each message it holds is the log's event at that
// position, byte for byte. It returns how many messages it compared.
func requireMirrored(t testing.TB, pool *pgxpool.Pool, natsURL string, epoch int) int {
	t.Helper()
	nc, err := nats.Connect(natsURL)
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	compared := 0
	frames := framesInLog(t, pool)
	for partition, want := range frames {
		name := fmt.Sprintf("PING_E%d_P%02d", epoch, partition)
		var state jetstream.StreamState
		require.Eventually(t, func() bool {
			stream, err := js.Stream(t.Context(), name)
			if err != nil {
				return false
			}
			state = stream.CachedInfo().State
			return state.LastSeq == uint64(len(want))
		}, 20*time.Second, 5*time.Millisecond, "mirror of partition %d reaches %d", partition, len(want))
		stream, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		for sequence := state.FirstSeq; sequence <= state.LastSeq; sequence++ {
			msg, err := stream.GetMsg(t.Context(), sequence)
			if err != nil {
				require.ErrorIs(t, err, jetstream.ErrMsgNotFound)
				continue
			}
			require.Equal(t, want[sequence-1], string(msg.Data), "%s sequence %d", name, sequence)
			compared++
		}
	}
	return compared
}

// framesInLog returns the frames of each partition that has events, in order.
func framesInLog(t testing.TB, pool *pgxpool.Pool) map[int][]string {
	t.Helper()
	requireSoundLog(t, pool)
	rows, err := pool.Query(t.Context(), `
SELECT partition, format('{"type":"event","at":"%s:%s","%s":"%s","seq":%s,"event":"%s","id":"%s","actor_id":"%s","recorded_at":"%s","data":%s}',
       partition, position, CASE WHEN type LIKE 'user.%' THEN 'user_id' ELSE 'conversation_id' END, stream, version, type, id, actor,
       to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), payload)
  FROM log.events ORDER BY partition, position`)
	require.NoError(t, err)
	frames := map[int][]string{}
	for rows.Next() {
		var partition int
		var frame string
		require.NoError(t, rows.Scan(&partition, &frame))
		frames[partition] = append(frames[partition], frame)
	}
	require.NoError(t, rows.Err())
	return frames
}

// aGroup makes a group on a node, with some messages.
func aGroup(t testing.TB, n *node) (group, owner domain.ID) {
	group, owner = eventlog.NewID(), eventlog.NewID()
	n.createGroup(t, group, owner)
	for range 20 {
		n.mustSend(t, group, owner, `quotes " and <markup> & ünïcode`)
	}
	return group, owner
}

// aMirroredGroup starts a node on its own Postgres and NATS, with a group whose
// events the mirror holds.
func aMirroredGroup(t testing.TB, configs ...eventlog.Config) (pool *pgxpool.Pool, broker *devservices.NATS, n *node, group, owner domain.ID) {
	pool, broker = testkit.Pool(t), testkit.NATS(t)
	n = open(t, pool, broker.ClientURL(), configs...)
	group, owner = aGroup(t, n)
	requireMirrored(t, pool, broker.ClientURL(), 1)
	return pool, broker, n, group, owner
}

func jetStream(t testing.TB, natsURL string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(natsURL)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

func TestMirror(t *testing.T) {
	t.Run("sequence is position, and the bytes are those of the log", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		nodes := []*node{open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL())}
		group, owner := aGroup(t, nodes[0])
		var wait sync.WaitGroup
		for _, n := range nodes {
			for range 3 {
				wait.Go(func() {
					for range 40 {
						if _, err := n.send(t.Context(), group, owner, uuid.NewString(), "from everywhere"); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		wait.Wait()
		require.Equal(t, 22+360, requireMirrored(t, pool, broker.ClientURL(), 1))
	})

	t.Run("a crash between commit and publish is repaired", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		broker.Stop()
		n := open(t, pool, broker.ClientURL()) // it commits and cannot publish
		aGroup(t, n)
		require.NoError(t, n.stop())
		broker.Start()
		open(t, pool, broker.ClientURL())
		require.Equal(t, 22, requireMirrored(t, pool, broker.ClientURL(), 1))
	})

	t.Run("a node publishes what another committed and never published", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		alive := open(t, pool, broker.ClientURL())
		group, owner := aGroup(t, alive)
		mute := open(t, pool, "nats://127.0.0.1:1") // never connects
		mute.mustSend(t, group, owner, "unpublished")
		require.NoError(t, mute.stop())
		require.Equal(t, 23, requireMirrored(t, pool, broker.ClientURL(), 1))
		alive.mustSend(t, group, owner, "the next message")
		require.Equal(t, 24, requireMirrored(t, pool, broker.ClientURL(), 1))
	})

	t.Run("a lost JetStream stream is filled again from Postgres while the node runs", func(t *testing.T) {
		pool, broker, n, group, owner := aMirroredGroup(t, eventlog.Config{Partitions: 1, Recent: 8})
		require.NoError(t, jetStream(t, broker.ClientURL()).DeleteStream(t.Context(), "PING_E1_P00"))
		n.mustSend(t, group, owner, "next")
		require.Equal(t, 23, requireMirrored(t, pool, broker.ClientURL(), 1))
	})

	t.Run("a deleted JetStream folder is filled again", func(t *testing.T) {
		pool, broker, n, group, owner := aMirroredGroup(t)
		broker.Stop()
		require.NoError(t, os.RemoveAll(filepath.Join(broker.Dir(), "jetstream")))
		n.mustSend(t, group, owner, "while NATS is down")
		broker.Start()
		require.Equal(t, 23, requireMirrored(t, pool, broker.ClientURL(), 1))
	})

	t.Run("a lost tail is published again", func(t *testing.T) {
		pool, broker, n, group, owner := aMirroredGroup(t, eventlog.Config{Partitions: 1})
		broker.Stop()
		old := copyFolder(t, filepath.Join(broker.Dir(), "jetstream"))
		broker.Start()
		for range 10 {
			n.mustSend(t, group, owner, "stored, and then lost")
		}
		requireMirrored(t, pool, broker.ClientURL(), 1)
		broker.Stop()
		require.NoError(t, os.RemoveAll(filepath.Join(broker.Dir(), "jetstream")))
		require.NoError(t, os.CopyFS(filepath.Join(broker.Dir(), "jetstream"), os.DirFS(old)))
		broker.Start()
		require.Equal(t, 32, requireMirrored(t, pool, broker.ClientURL(), 1))
	})

	t.Run("a deleted last message stays a hole that no node fills wrongly", func(t *testing.T) {
		pool, broker, n, group, owner := aMirroredGroup(t, eventlog.Config{Partitions: 1})
		require.NoError(t, n.stop())
		stream, err := jetStream(t, broker.ClientURL()).Stream(t.Context(), "PING_E1_P00")
		require.NoError(t, err)
		require.NoError(t, stream.DeleteMsg(t.Context(), 22))
		n = open(t, pool, broker.ClientURL())
		n.mustSend(t, group, owner, "after the hole")
		require.Equal(t, 22, requireMirrored(t, pool, broker.ClientURL(), 1))
	})

	t.Run("NATS stopped and started under load loses nothing", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		nodes := []*node{open(t, pool, broker.ClientURL()), open(t, pool, broker.ClientURL())}
		group, owner := aGroup(t, nodes[0])
		other, owner2 := aGroup(t, nodes[1])
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for w := range 8 {
			wait.Go(func() {
				for ctx.Err() == nil {
					n, g, o := nodes[w%2], group, owner
					if w%4 < 2 {
						g, o = other, owner2
					}
					if _, err := n.send(t.Context(), g, o, uuid.NewString(), "through it all"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 3 {
			before := nodes[0].Tips()
			broker.Stop()
			// Both nodes continue, and see each other's events through Postgres.
			requireProgress(t, nodes[0], before, 100)
			broker.Start()
			requireProgress(t, nodes[1], nodes[1].Tips(), 100)
		}
		cancel()
		wait.Wait()
		requireMirrored(t, pool, broker.ClientURL(), 1)
	})

	t.Run("a mirror ahead of Postgres is refused until the epoch is bumped", func(t *testing.T) {
		pool, broker, n, group, owner := aMirroredGroup(t, eventlog.Config{Partitions: 1})
		require.NoError(t, n.stop())
		restoreTo(t, pool, 15)

		_, err := tryOpen(t, pool, broker.ClientURL())
		require.ErrorIs(t, err, eventlog.ErrMirrorAhead)
		require.ErrorContains(t, err, "ping epoch bump")

		epoch, err := eventlog.BumpEpoch(t.Context(), pool)
		require.NoError(t, err)
		require.Equal(t, 2, epoch)
		n = open(t, pool, broker.ClientURL())
		n.mustSend(t, group, owner, "in the new epoch")
		require.Equal(t, 16, requireMirrored(t, pool, broker.ClientURL(), 2))
	})

	t.Run("a mirror of the same length with other events is refused", func(t *testing.T) {
		pool, broker, n, group, owner := aMirroredGroup(t, eventlog.Config{Partitions: 1})
		require.NoError(t, n.stop())
		restoreTo(t, pool, 15)
		mute := open(t, pool, "nats://127.0.0.1:1")
		for range 7 {
			mute.mustSend(t, group, owner, "another history")
		}
		require.NoError(t, mute.stop())
		_, err := tryOpen(t, pool, broker.ClientURL())
		require.ErrorIs(t, err, eventlog.ErrMirrorAhead)
	})

	t.Run("a node that runs while the epoch is bumped ends", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		n := open(t, pool, broker.ClientURL())
		aGroup(t, n)
		_, err := eventlog.BumpEpoch(t.Context(), pool)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err := n.send(t.Context(), eventlog.NewID(), eventlog.NewID(), "k", "x")
			return errors.Is(err, eventlog.ErrClosed)
		}, 10*time.Second, 10*time.Millisecond)
		require.ErrorIs(t, n.stop(), eventlog.ErrEpochChanged)
	})
}

func requireProgress(t testing.TB, n *node, from []int64, events int64) {
	t.Helper()
	sum := func(tips []int64) (total int64) {
		for _, tip := range tips {
			total += tip
		}
		return total
	}
	require.Eventually(t, func() bool { return sum(n.Tips()) >= sum(from)+events }, 20*time.Second, 5*time.Millisecond)
}

// restoreTo sets Postgres back to when partition 0 had this number of events, as
// a restored backup would.
func restoreTo(t testing.TB, pool *pgxpool.Pool, position int64) {
	t.Helper()
	for _, sql := range []string{
		`DELETE FROM log.events WHERE position > $1`,
		`UPDATE log.heads SET position = least(position, $1)`,
		`UPDATE log.streams s SET (version, position) = (SELECT max(version), max(position) FROM log.events e WHERE e.stream = s.stream AND position <= $1)`,
	} {
		_, err := pool.Exec(t.Context(), sql, position)
		require.NoError(t, err)
	}
}

func copyFolder(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	return to
}
