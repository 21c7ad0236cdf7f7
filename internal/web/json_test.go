package web

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestCheckUnicode(t *testing.T) {
	for _, good := range []string{`{}`, `"é"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\\ud800"`, `"\\\\ud800"`, `"\"\ud83d\ude00\ud83d\ude00\\"`,
		`"\uD83D\uDE00"`, `"\u"`, `"\ud7ff\ue000"`, `"\`, `\`, ``} {
		require.NoError(t, checkUnicode([]byte(good)), good)
	}
	for _, bad := range []string{`"\ud800"`, `"\udc00"`, `"\ud83d \ude00"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"\ud83d\n"`, `"\\\ud800"`, `"\uD800`, `"\ud83d\ud83d\ude00"`} {
		require.ErrorIs(t, checkUnicode([]byte(bad)), errSurrogate, bad)
	}
	require.ErrorIs(t, checkUnicode([]byte("\"\xff\"")), errNotUTF8)
	require.ErrorIs(t, checkUnicode([]byte("\"\xed\xa0\x80\"")), errNotUTF8)
}

// FuzzCheckUnicode: JSON that passes decodes without a replacement character that was not sent.
func FuzzCheckUnicode(f *testing.F) {
	f.Add(`"\ud83d\ude00"`)
	f.Add(`"\\ud800\""`)
	f.Add(`["\ufffd","\u00e9"]`)
	f.Fuzz(func(t *testing.T, text string) {
		var s string
		if json.Unmarshal([]byte(text), &s) != nil {
			return
		}
		replaced := 0
		for _, r := range s {
			if r == utf8.RuneError {
				replaced++
			}
		}
		sent := countReplacements(text)
		require.Equal(t, replaced == sent, checkUnicode([]byte(text)) == nil, text)
	})
}

// countReplacements counts U+FFFD in JSON, literal or escaped.
func countReplacements(text string) (n int) {
	for i := 0; i < len(text); {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] != 'u':
			i += 2
		case text[i] == '\\':
			if escapedUnit([]byte(text[i:])) == 0xfffd {
				n++
			}
			i += 2
		default:
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 3 {
				n++
			}
			i += size
		}
	}
	return n
}
