package domain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func TestCleanHandle(t *testing.T) {
	long := strings.Repeat("a", 32)
	for given, clean := range map[string]string{
		"ann": "ann", "Ann_1": "ann_1", "@ann": "ann", "0x": "0x", "a_": "a_", long: long, strings.ToUpper(long): long,
	} {
		handle, err := domain.CleanHandle(given)
		require.NoError(t, err, given)
		require.Equal(t, clean, handle)
	}
	for _, bad := range []string{
		"", "a", "@", "@a", "@@ann", "_ann", "an-n", "an n", " ann", "ann ", "ann@", "änn", "ann\x00", "a\xff", long + "a",
		"\u212aelvin", // the sign of kelvins, whose lower case is k
	} {
		_, err := domain.CleanHandle(bad)
		require.ErrorIs(t, err, domain.ErrHandleInvalid, "%q", bad)
	}
}

func TestHandles(t *testing.T) {
	for body, handles := range map[string][]string{
		"":                            nil,
		"nobody":                      nil,
		"@":                           nil,
		"@ ann":                       nil,
		"@ann":                        {"ann"},
		"@Ann, @BOB.":                 {"ann", "bob"},
		"(@ann)\n@bob":                {"ann", "bob"},
		"@ann @bob @ANN":              {"ann", "bob"},
		"ann@example.org":             nil,
		"ann_@example":                nil,
		"@@ann":                       nil,
		"@ann@bob":                    {"ann"},
		"@_ann":                       nil,
		"@a":                          nil,
		"@" + strings.Repeat("a", 33): nil,
		"你好@ann你好":                    {"ann"}, // no spaces in this script
		"\xff@ann\xff":                {"ann"},
	} {
		require.Equal(t, handles, domain.Handles(body), "%q", body)
	}
	t.Run("stops at 50", func(t *testing.T) {
		var body strings.Builder
		for i := range 60 {
			fmt.Fprintf(&body, "@user%d @user%d ", i, i)
		}
		handles := domain.Handles(body.String())
		require.Len(t, handles, 50)
		require.Equal(t, "user49", handles[49])
	})
}

// FuzzHandles: a handle that a body names is one, stands there after an @, and
// comes once.
func FuzzHandles(f *testing.F) {
	for _, body := range []string{"@ann @Bob", "ann@example.org", "@@ann@bob", "你好@ann你好", "\u212a@\u212aelvin", "@_a @a\xff @" + strings.Repeat("x", 33)} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		handles := domain.Handles(body)
		require.LessOrEqual(t, len(handles), 50)
		seen := map[string]bool{}
		for _, handle := range handles {
			clean, err := domain.CleanHandle(handle)
			require.NoError(t, err)
			require.Equal(t, clean, handle)
			require.Contains(t, strings.ToLower(body), "@"+handle)
			require.False(t, seen[handle], "%s comes twice", handle)
			seen[handle] = true
		}
		require.Equal(t, handles, domain.Handles(capitals(body)), "the case does not matter")
	})
}

// capitals makes letters great that a handle has: others have partners there
// (the long s has S), which would make more of a handle.
func capitals(text string) string {
	b := []byte(text)
	for i := range b {
		if 'a' <= b[i] && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

// FuzzCleanHandle: what is clean stays clean, is named by an @ before it, and
// is what was written but for the case.
func FuzzCleanHandle(f *testing.F) {
	for _, handle := range []string{"ann", "@Ann_1", "_ann", "\u212aelvin", strings.Repeat("a", 33)} {
		f.Add(handle)
	}
	f.Fuzz(func(t *testing.T, text string) {
		handle, err := domain.CleanHandle(text)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrHandleInvalid)
			require.Empty(t, handle)
			return
		}
		again, err := domain.CleanHandle(handle)
		require.NoError(t, err)
		require.Equal(t, handle, again)
		require.Equal(t, []string{handle}, domain.Handles("@"+handle))
		require.Regexp(t, `^[a-z0-9][a-z0-9_]{1,31}$`, handle)
		require.Len(t, handle, len(strings.TrimPrefix(text, "@")))
	})
}
