package realtime

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAt(t *testing.T) {
	positions, ok := parseAt([]string{"2:7", "0:9"}, 3)
	require.True(t, ok)
	require.Equal(t, []int64{9, 0, 7}, positions)
	for _, bad := range [][]string{{"3:1"}, {"0:1", "0:1"}, {"0:-1"}, {"x"}, {"0:1", "1:1", "2:1", "0:1"}} {
		_, ok := parseAt(bad, 3)
		require.False(t, ok, bad)
	}
}
