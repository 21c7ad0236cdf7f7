package realtime

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/internal/ephemeral"
)

// TestWhoIsLate: a position that the log has and this node has not come to is
// no client's fault; one beyond the log's end is not of this log.
func TestWhoIsLate(t *testing.T) {
	n := newWorld(t).start(Config{})
	p := n.hub.partitions[0]
	over, cancel := context.WithCancel(t.Context())
	cancel()
	from := make([]int64, len(n.hub.partitions))
	from[0] = p.at() + 5
	for end, want := range map[int64]error{from[0]: errBehind, from[0] - 1: errAhead} {
		ends := make([]int64, len(from))
		ends[0] = end
		require.NoError(t, n.hub.turns.take(t.Context()))
		u := &upturn{hub: n.hub, from: from, known: &memberships{positions: make([]int64, len(from)), ends: ends}}
		require.ErrorIs(t, u.wait(t.Context(), over, p), want)
		n.hub.turns.give()
	}
}

// TestWord: what a shard says of users is believed again a moment after it takes
// this node's word again, and the other shards' meanwhile.
func TestWord(t *testing.T) {
	w := newWord()
	require.True(t, w.stands(3))
	w.taken(3, errors.New("away"))
	require.False(t, w.stands(3))
	for shard := range ephemeral.Shards {
		require.Equal(t, shard != 3, w.stands(shard))
	}
	w.taken(3, nil)
	require.False(t, w.stands(3), "the other nodes are given time")
	w.since[3] = w.since[3].Add(-4 * lookEvery)
	w.taken(3, nil)
	require.True(t, w.stands(3))
}
