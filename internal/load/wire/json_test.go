package wire

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAppendJSONString: a JSON decoder reads what encoding/json would have written.
func FuzzAppendJSONString(f *testing.F) {
	for _, s := range []string{"", "plain", "\x00\x1f\x7f", `"\`, "é世\U0001F600", "\xff\xed\xa0\x80half", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		standard, err := json.Marshal(s)
		require.NoError(t, err)
		var want, got string
		require.NoError(t, json.Unmarshal(standard, &want))
		require.NoError(t, json.Unmarshal(appendJSONString(nil, s), &got))
		require.Equal(t, want, got)
	})
}
