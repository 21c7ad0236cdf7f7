package eventlog_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

// marker is in every text that is to vanish.
const marker = "zebra-4711"

// aTalk makes a group of two, in which the second says things with the marker,
// and edits one, and the first answers.
func aTalk(t *testing.T, n *node) (group, owner, gone domain.ID) {
	group, owner, gone = eventlog.NewID(), eventlog.NewID(), eventlog.NewID()
	n.createGroup(t, group, owner, gone)
	for i := range 10 {
		said := n.mustSend(t, group, gone, fmt.Sprintf("%s %d", marker, i))
		n.mustSend(t, group, owner, "you don't say")
		if i == 5 {
			n.edit(t, group, gone, said, "edited "+marker)
			n.edit(t, group, gone, said, "edited again "+marker)
		}
	}
	return group, owner, gone
}

func (n *node) edit(t *testing.T, group, author domain.ID, said *eventlog.Event, body string) {
	t.Helper()
	m, err := n.Message(t.Context(), group, said.ID)
	require.NoError(t, err)
	_, err = n.do(t.Context(), eventlog.Command{Stream: group, Actor: author}, func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.EditMessage(domain.EditMessage{Actor: author, Message: m, Body: body})
	})
	require.NoError(t, err)
}

// redact erases the user in the group, as far as Postgres goes.
func (n *node) redact(t *testing.T, group, user domain.ID) []int64 {
	t.Helper()
	_, err := n.do(t.Context(), eventlog.Command{Stream: group, Actor: user}, func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
		return c.EraseMember(domain.EraseMember{UserID: user})
	})
	require.NoError(t, err)
	positions, err := n.Redact(t.Context(), group, user)
	require.NoError(t, err)
	return positions
}

// recent returns what a node has in memory of some events.
func recent(n *node, events []*eventlog.Event) (frames string) {
	held, _ := n.Recent(0, events[0].Position-1, events[len(events)-1].Position)
	for _, e := range held {
		frames += string(e.Frame)
	}
	return frames
}

// requireUnmarked checks that no file of the broker's store holds the marker.
// Blocks are written as they are: with the marker in the store it is found.
func requireUnmarked(t *testing.T, folder string) {
	t.Helper()
	for _, path := range marked(t, folder) {
		t.Errorf("%s holds the marker", path)
	}
}

func marked(t *testing.T, folder string) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), marker) {
			paths = append(paths, path)
		}
		return err
	}))
	return paths
}

func TestRedact(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	cfg := eventlog.Config{Partitions: 1, MaxMemoryAge: time.Second}
	n, other := open(t, pool, broker.ClientURL(), cfg), open(t, pool, broker.ClientURL(), cfg)
	group, owner, gone := aTalk(t, n)
	requireMirrored(t, pool, broker.ClientURL(), 1)
	before, err := n.ReadStream(t.Context(), group, 0, 100)
	require.NoError(t, err)
	for _, l := range []*node{n, other} {
		require.Eventually(t, func() bool { return strings.Contains(recent(l, before), marker) }, 10*time.Second, time.Millisecond)
	}

	positions := n.redact(t, group, gone)
	require.Len(t, positions, 12)

	t.Run("leaves the envelopes and what is others'", func(t *testing.T) {
		after, err := n.ReadStream(t.Context(), group, 0, int(len(before)))
		require.NoError(t, err)
		for i, e := range after {
			was := before[i]
			require.Equal(t, []any{was.ID, was.Type, was.Version, was.Position, was.RecordedAt, was.Actor, was.CommandID},
				[]any{e.ID, e.Type, e.Version, e.Position, e.RecordedAt, e.Actor, e.CommandID})
			require.NotContains(t, string(e.Frame), marker)
			if was.Actor == owner {
				require.Equal(t, string(was.Frame), string(e.Frame))
			} else {
				require.Contains(t, string(e.Payload), `"erased":true`)
			}
		}
		requireSoundLog(t, pool)
	})
	t.Run("leaves no hash of a text", func(t *testing.T) {
		var hashes int
		require.NoError(t, pool.QueryRow(t.Context(), `
SELECT count(*) FROM log.events WHERE actor = $1 AND type LIKE 'message.%' AND fingerprint <> 0`, [16]byte(gone)).Scan(&hashes))
		require.Zero(t, hashes)
	})
	t.Run("returns the same again, and changes nothing", func(t *testing.T) {
		require.Equal(t, positions, n.redact(t, group, gone))
	})
	t.Run("makes what follows from memory end, and the mirror's bytes", func(t *testing.T) {
		require.NotEmpty(t, marked(t, broker.Dir()), "it was there")
		require.NoError(t, n.AwaitForgotten(t.Context()))
		for _, l := range []*node{n, other} {
			require.Empty(t, recent(l, before), "no node tells it from memory")
		}
		require.NoError(t, n.DeleteMirrored(t.Context(), 0, positions))
		requireUnmarked(t, broker.Dir())
		require.NoError(t, n.DeleteMirrored(t.Context(), 0, positions), "a second time finds nothing")
		requireHolesOnly(t, pool, broker.ClientURL(), len(positions))
	})
	t.Run("readers fill the holes, on each node", func(t *testing.T) {
		want := framesInLog(t, pool)[0]
		for _, l := range []*node{n, other} {
			require.Equal(t, want, readTail(t, t.Context(), l, 0, len(want)))
		}
	})
	t.Run("a lost mirror is filled with blanks, although nodes had it in memory", func(t *testing.T) {
		require.NoError(t, jetStream(t, broker.ClientURL()).DeleteStream(t.Context(), "PING_E1_P00"))
		require.Equal(t, len(framesInLog(t, pool)[0]), requireMirrored(t, pool, broker.ClientURL(), 1))
		requireUnmarked(t, broker.Dir())
	})
	t.Run("nothing of him can follow", func(t *testing.T) {
		_, err := other.send(t.Context(), group, gone, "k", "I am back")
		require.ErrorIs(t, err, domain.ErrConversationNotFound)
	})
}

// requireHolesOnly checks that the mirror lacks so many messages, and that the
// others are the log's.
func requireHolesOnly(t *testing.T, pool *pgxpool.Pool, natsURL string, holes int) {
	t.Helper()
	require.Equal(t, len(framesInLog(t, pool)[0])-holes, requireMirrored(t, pool, natsURL, 1))
}

// TestRedactReceipts: a command that changes nothing leaves a hash too.
func TestRedactReceipts(t *testing.T) {
	pool := testkit.Pool(t)
	n := open(t, pool, testkit.NATS(t).ClientURL())
	group, owner, gone := aTalk(t, n)
	for _, actor := range []domain.ID{owner, gone} {
		_, err := n.do(t.Context(), eventlog.Command{Stream: group, Actor: actor, Key: "k", Fingerprint: 4711},
			func(*domain.Conversation, int64) ([]domain.Event, error) { return nil, nil })
		require.NoError(t, err)
	}
	n.redact(t, group, gone)
	for actor, want := range map[domain.ID]int64{owner: 4711, gone: 0} {
		var fingerprint int64
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT fingerprint FROM log.receipts WHERE actor = $1`, [16]byte(actor)).Scan(&fingerprint))
		require.Equal(t, want, fingerprint)
	}
}

func TestUnmirror(t *testing.T) {
	t.Run("fails while the mirror is still to be given the events", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		broker.Stop()
		n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1, MaxMemoryAge: time.Second})
		group, _, gone := aTalk(t, n)
		positions := n.redact(t, group, gone)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Error(t, n.DeleteMirrored(ctx, 0, positions))
		require.NoError(t, broker.Start())
		require.Eventually(t, func() bool { return n.DeleteMirrored(t.Context(), 0, positions) == nil }, 20*time.Second, 10*time.Millisecond)
		requireHolesOnly(t, pool, broker.ClientURL(), 0) // it was given what Postgres has by then
		requireUnmarked(t, broker.Dir())
	})
	t.Run("a mirror with very many of them is emptied, and goes on", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1, MaxMemoryAge: time.Second})
		group, owner, gone := aTalk(t, n)
		for range 100 {
			n.mustSend(t, group, gone, marker)
		}
		requireMirrored(t, pool, broker.ClientURL(), 1)
		positions := n.redact(t, group, gone)
		require.NoError(t, n.AwaitForgotten(t.Context()))
		require.NoError(t, n.DeleteMirrored(t.Context(), 0, positions))
		require.Zero(t, requireMirrored(t, pool, broker.ClientURL(), 1))
		// The server deletes the files of what it has let go of in the background.
		require.Eventually(t, func() bool { return len(marked(t, broker.Dir())) == 0 }, 20*time.Second, 10*time.Millisecond)
		n.mustSend(t, group, owner, "and on it goes")
		require.NoError(t, n.DeleteMirrored(t.Context(), 0, positions), "a second time finds nothing")
		require.Equal(t, 1, requireMirrored(t, pool, broker.ClientURL(), 1))
		want := framesInLog(t, pool)[0]
		require.Equal(t, want, readTail(t, t.Context(), n, 0, len(want)))
		broker.Stop()
		require.NoError(t, broker.Start())
		n.mustSend(t, group, owner, "also after a restart")
		require.Equal(t, 2, requireMirrored(t, pool, broker.ClientURL(), 1))
	})
	t.Run("the mirrors of earlier epochs go as a whole", func(t *testing.T) {
		pool, broker := testkit.Pool(t), testkit.NATS(t)
		n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 1})
		aTalk(t, n)
		requireMirrored(t, pool, broker.ClientURL(), 1)
		require.NoError(t, n.DropOldMirrors(t.Context()))
		require.NotEmpty(t, marked(t, broker.Dir()), "the present one stays")
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

// TestTrust: a node that cannot look at Postgres does not know what was
// overwritten, so what it has in memory never reaches the mirror again.
func TestTrust(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	cfg := eventlog.Config{Partitions: 1, MaxMemoryAge: time.Second}
	n := open(t, pool, broker.ClientURL(), cfg)
	own, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
	require.NoError(t, err)
	cut := open(t, own, broker.ClientURL(), cfg)
	group, _, gone := aTalk(t, cut)
	head := len(framesInLog(t, pool)[0])
	requireMirrored(t, pool, broker.ClientURL(), 1)
	before, err := n.ReadStream(t.Context(), group, 0, 100)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(recent(cut, before), marker) }, 10*time.Second, time.Millisecond)

	own.Close() // from now on it has its memory and NATS
	n.redact(t, group, gone)
	require.NoError(t, n.AwaitForgotten(t.Context()))
	require.Empty(t, recent(cut, before), "nor do streams")
	require.NoError(t, n.stop())
	js := jetStream(t, broker.ClientURL())
	require.NoError(t, js.DeleteStream(t.Context(), "PING_E1_P00"))
	require.Eventually(t, func() bool { // it makes the stream again, for that needs no memory
		_, err := js.Stream(t.Context(), "PING_E1_P00")
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	require.Never(t, func() bool {
		stream, err := js.Stream(t.Context(), "PING_E1_P00")
		return err == nil && stream.CachedInfo().State.Msgs > 0
	}, 2*time.Second, 50*time.Millisecond)

	open(t, pool, broker.ClientURL(), cfg) // one that sees Postgres fills it
	require.Greater(t, requireMirrored(t, pool, broker.ClientURL(), 1), head)
	requireUnmarked(t, broker.Dir())
}
