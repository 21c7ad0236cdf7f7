package readapi

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzCursor: a forged cursor is refused, or it can be encoded again to the same cursor and Postgres accepts its keys.
func FuzzCursor(f *testing.F) {
	f.Add(encodeCursor("messages", "7"))
	f.Add(encodeCursor("inbox", "1700000000000000", "0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b"))
	f.Add(encodeCursor("inbox", "-1", "0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b"))
	f.Add(encodeCursor("users", "ada\x00", "0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b"))
	f.Add(encodeCursor("members", "", ""))
	f.Add("bWVzc2FnZXMKNx")
	f.Fuzz(func(t *testing.T, cursor string) {
		for list, n := range map[string]int{"messages": 1, "inbox": 2, "members": 1, "pins": 1, "blocks": 1, "users": 2, "handles": 2} {
			keys, err := decodeCursor(list, cursor, n)
			if err != nil {
				require.ErrorIs(t, err, errCursor)
				continue
			}
			decoded, err := decodeCursor(list, encodeCursor(list, keys...), n)
			require.NoError(t, err)
			require.Equal(t, keys, decoded)
		}
		before, _, err := inboxCursor(cursor)
		if err == nil {
			require.False(t, before.Before(time.Unix(0, 0)))
			require.LessOrEqual(t, before.Year(), 9999)
		}
		seq, err := messageCursor(cursor)
		if err == nil && seq != math.MaxInt64 {
			decoded, err := messageCursor(*cursorAt(seq))
			require.NoError(t, err)
			require.Equal(t, seq, decoded)
		}
	})
}
