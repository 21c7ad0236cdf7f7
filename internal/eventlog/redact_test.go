package eventlog_test

import (
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

// marker is in every text that must be erased.
const marker = "zebra-4711"

// aTalk makes a group of two. The second member, who will be erased, sends messages
// with the marker and edits one; the owner answers.
func aTalk(t *testing.T, n *node) (group, owner, erased domain.ID) {
	group, owner, erased = eventlog.NewID(), eventlog.NewID(), eventlog.NewID()
	n.createGroup(t, group, owner, erased)
	for i := range 10 {
		said := n.mustSend(t, group, erased, fmt.Sprintf("%s %d", marker, i))
		n.mustSend(t, group, owner, "you don't say")
		if i == 5 {
			n.edit(t, group, erased, said, "edited "+marker)
			n.edit(t, group, erased, said, "edited again "+marker)
		}
	}
	return group, owner, erased
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

// redact erases the user in the group, in Postgres only.
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
// The server stores blocks in the clear, so the marker would be found.
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
	group, owner, erased := aTalk(t, n)
	requireMirrored(t, pool, broker.ClientURL(), 1)
	before, err := n.ReadStream(t.Context(), group, 0, 100)
	require.NoError(t, err)
	for _, l := range []*node{n, other} {
		require.Eventually(t, func() bool { return strings.Contains(recent(l, before), marker) }, 10*time.Second, time.Millisecond)
	}

	positions := n.redact(t, group, erased)
	require.Len(t, positions, 12)

	t.Run("leaves the envelopes and the payloads of others", func(t *testing.T) {
		after, err := n.ReadStream(t.Context(), group, 0, len(before))
		require.NoError(t, err)
		for i, e := range after {
			old := before[i]
			require.Equal(t, []any{old.ID, old.Type, old.Version, old.Position, old.RecordedAt, old.Actor, old.CommandID},
				[]any{e.ID, e.Type, e.Version, e.Position, e.RecordedAt, e.Actor, e.CommandID})
			require.NotContains(t, string(e.Frame), marker)
			if old.Actor == owner {
				require.Equal(t, string(old.Frame), string(e.Frame))
			} else {
				require.Contains(t, string(e.Payload), `"erased":true`)
			}
		}
		requireSoundLog(t, pool)
	})
	t.Run("leaves no hash of a text", func(t *testing.T) {
		var hashes int
		require.NoError(t, pool.QueryRow(t.Context(), `
SELECT count(*) FROM log.events WHERE actor = $1 AND type LIKE 'message.%' AND fingerprint <> 0`, erased).Scan(&hashes))
		require.Zero(t, hashes)
	})
	t.Run("a second call returns the same and changes nothing", func(t *testing.T) {
		require.Equal(t, positions, n.redact(t, group, erased))
	})
	t.Run("ends what memory holds, and DeleteMirrored the mirror's bytes", func(t *testing.T) {
		require.NotEmpty(t, marked(t, broker.Dir()), "the mirror held it")
		require.NoError(t, n.AwaitForgotten(t.Context()))
		for _, l := range []*node{n, other} {
			require.Empty(t, recent(l, before), "no node returns it from memory")
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
	t.Run("a lost mirror is filled with redacted payloads, although nodes had the texts in memory", func(t *testing.T) {
		require.NoError(t, jetStream(t, broker.ClientURL()).DeleteStream(t.Context(), "PING_E1_P00"))
		require.Equal(t, len(framesInLog(t, pool)[0]), requireMirrored(t, pool, broker.ClientURL(), 1))
		requireUnmarked(t, broker.Dir())
	})
	t.Run("no event of the erased user can follow", func(t *testing.T) {
		_, err := other.send(t.Context(), group, erased, "k", "I am back")
		require.ErrorIs(t, err, domain.ErrConversationNotFound)
	})
}

// requireHolesOnly checks that the mirror lacks this number of messages, and that
// the others are the log's.
func requireHolesOnly(t *testing.T, pool *pgxpool.Pool, natsURL string, holes int) {
	t.Helper()
	require.Equal(t, len(framesInLog(t, pool)[0])-holes, requireMirrored(t, pool, natsURL, 1))
}

// TestRedactReceipts: the receipt of a command that changes nothing has a hash too.
func TestRedactReceipts(t *testing.T) {
	pool := testkit.Pool(t)
	n := open(t, pool, testkit.NATS(t).ClientURL())
	group, owner, erased := aTalk(t, n)
	for _, actor := range []domain.ID{owner, erased} {
		_, err := n.do(t.Context(), eventlog.Command{Stream: group, Actor: actor, Key: "k", Fingerprint: 4711},
			func(*domain.Conversation, int64) ([]domain.Event, error) { return nil, nil })
		require.NoError(t, err)
	}
	n.redact(t, group, erased)
	for actor, want := range map[domain.ID]int64{owner: 4711, erased: 0} {
		var fingerprint int64
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT fingerprint FROM log.receipts WHERE actor = $1`, actor).Scan(&fingerprint))
		require.Equal(t, want, fingerprint)
	}
}

// TestMaxMemoryAge: a node that cannot read Postgres does not know what was
// overwritten, so what it has in memory never reaches the mirror again.
func TestMaxMemoryAge(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	cfg := eventlog.Config{Partitions: 1, MaxMemoryAge: time.Second}
	n := open(t, pool, broker.ClientURL(), cfg)
	own, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
	require.NoError(t, err)
	cut := open(t, own, broker.ClientURL(), cfg)
	group, _, erased := aTalk(t, cut)
	head := len(framesInLog(t, pool)[0])
	requireMirrored(t, pool, broker.ClientURL(), 1)
	before, err := n.ReadStream(t.Context(), group, 0, 100)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(recent(cut, before), marker) }, 10*time.Second, time.Millisecond)

	own.Close() // from now on it has only its memory and NATS
	n.redact(t, group, erased)
	require.NoError(t, n.AwaitForgotten(t.Context()))
	require.Empty(t, recent(cut, before), "sockets do not get it either")
	require.NoError(t, n.stop())
	js := jetStream(t, broker.ClientURL())
	require.NoError(t, js.DeleteStream(t.Context(), "PING_E1_P00"))
	require.Eventually(t, func() bool { // it creates the JetStream stream, which needs no memory
		_, err := js.Stream(t.Context(), "PING_E1_P00")
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	require.Never(t, func() bool {
		stream, err := js.Stream(t.Context(), "PING_E1_P00")
		return err == nil && stream.CachedInfo().State.Msgs > 0
	}, 2*time.Second, 50*time.Millisecond)

	open(t, pool, broker.ClientURL(), cfg) // a node that can read Postgres fills it
	require.Greater(t, requireMirrored(t, pool, broker.ClientURL(), 1), head)
	requireUnmarked(t, broker.Dir())
}
