package eventlog_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

func TestVersionsAt(t *testing.T) {
	pool, broker := testkit.Pool(t), testkit.NATS(t)
	n := open(t, pool, broker.ClientURL(), eventlog.Config{Partitions: 2})
	owner := eventlog.NewID()
	groups := make([]domain.ID, 5)
	for i := range groups {
		groups[i] = eventlog.NewID()
		n.createGroup(t, groups[i], owner)
	}
	for i := range 150 {
		n.mustSend(t, groups[(i*i)%len(groups)], owner, "x")
	}
	events := requireSoundLog(t, pool)
	rapid.Check(t, func(t *rapid.T) {
		at := []int64{rapid.Int64Range(0, 200).Draw(t, "p0"), rapid.Int64Range(0, 200).Draw(t, "p1")}
		want := make([]int64, len(groups))
		for i, g := range groups {
			for _, e := range events {
				if e.Stream == g && e.Position <= at[e.Partition] {
					want[i] = max(want[i], e.Version)
				}
			}
		}
		got, err := n.VersionsAt(context.Background(), groups, at)
		if err != nil {
			t.Fatal(err)
		}
		require.Equal(t, want, got)
	})
}
