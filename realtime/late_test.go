package realtime

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNodeBehindOrClientAhead checks that a position that the log has and this
// node has not reached is no client's fault, and that a position beyond the log's
// head belongs to another log.
func TestNodeBehindOrClientAhead(t *testing.T) {
	n := newWorld(t).start(Config{})
	p := n.hub.partitions[0]
	over, cancel := context.WithCancel(t.Context())
	cancel()
	from := make([]int64, len(n.hub.partitions))
	from[0] = p.at() + 5
	for end, want := range map[int64]error{from[0]: errBehind, from[0] - 1: errAhead} {
		ends := make([]int64, len(from))
		ends[0] = end
		require.NoError(t, n.hub.admission.acquire(t.Context()))
		u := &startup{hub: n.hub, sender: &pacedSender{admission: n.hub.admission}, replay: &replay{from: from}, known: &memberships{positions: make([]int64, len(from)), ends: ends}}
		require.ErrorIs(t, u.wait(t.Context(), over, p), want)
		n.hub.admission.release()
	}
}
