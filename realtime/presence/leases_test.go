package presence

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/internal/ephemeral"
)

// TestLeasesAreTrustedAgain checks that the leases of a shard are trusted again a
// moment after it accepts those of this node, and those of other shards meanwhile.
func TestLeasesAreTrustedAgain(t *testing.T) {
	l := newLeaseState("node")
	require.True(t, l.trusts(3))
	l.note(3, errors.New("unavailable"))
	require.False(t, l.trusts(3))
	for shard := range ephemeral.Shards {
		require.Equal(t, shard != 3, l.trusts(shard))
	}
	l.note(3, nil)
	require.False(t, l.trusts(3), "the other nodes need time")
	l.since[3] = l.since[3].Add(-4 * pollInterval)
	l.note(3, nil)
	require.True(t, l.trusts(3))
}

// TestLeasesAreReadUnderTheLock holds the order of renewals: a state that is read
// before the lock could overwrite a newer one.
func TestLeasesAreReadUnderTheLock(t *testing.T) {
	l, read := newLeaseState("node"), false
	_, err := l.renew(t.Context(), nil, func() []ephemeral.Lease {
		read = true
		require.False(t, l.mu.TryLock())
		return nil
	})
	require.NoError(t, err)
	require.True(t, read)
}
