package wire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBackoff(t *testing.T) {
	b := newBackoff()
	for n := 1; n < 100; n++ {
		d := next(b, 0)
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.LessOrEqual(t, d, min(maxBackoff, minBackoff<<min(n-1, 20)))
	}
	require.GreaterOrEqual(t, next(newBackoff(), time.Second), time.Second, "the server's wish")
}
