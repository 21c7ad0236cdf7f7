package faults

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// needles are a text in the encodings in which it may be somewhere, in lower
// case: UTF-8, UTF-16, hexadecimal, and base64, where it depends on what stands
// before it.
func needles(text string) (all [][]byte) {
	text = strings.ToLower(text)
	for _, form := range []string{text, strings.ToUpper(text)} {
		var wide []byte
		for _, unit := range utf16.Encode([]rune(form)) {
			wide = append(wide, byte(unit), byte(unit>>8))
		}
		all = append(all, bytes.ToLower(wide), []byte(form), []byte(hex.EncodeToString([]byte(form))))
		for shift := range 3 {
			encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + form))
			// The first and the last characters hold bits of what is around.
			all = append(all, bytes.ToLower([]byte(encoded[4:len(encoded)-4])))
		}
	}
	for i := range all {
		all[i] = bytes.ToLower(all[i])
	}
	return all
}

// holds reports whether a stream holds one of the needles, in any case.
func holds(r io.Reader, needles [][]byte) bool {
	longest := 0
	for _, n := range needles {
		longest = max(longest, len(n))
	}
	buffer, kept := make([]byte, 1<<20), 0
	for {
		n, err := io.ReadFull(r, buffer[kept:])
		window := buffer[:kept+n]
		for i, b := range window[kept:] { // those that are kept are lower case
			if 'A' <= b && b <= 'Z' {
				window[kept+i] = b + 'a' - 'A'
			}
		}
		if slices.ContainsFunc(needles, func(needle []byte) bool { return bytes.Contains(window, needle) }) {
			return true
		}
		if err != nil {
			return false
		}
		kept = copy(buffer, window[max(0, len(window)-longest):])
	}
}

// filesWith returns the files in a folder that hold a text, by their path in it.
func filesWith(t *testing.T, dir, marker string) (found []string) {
	t.Helper()
	look := needles(marker)
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		if holds(file, look) {
			relative, err := filepath.Rel(dir, path)
			found = append(found, relative)
			return err
		}
		return nil
	}))
	return found
}

func TestNeedles(t *testing.T) {
	const text = "marker123456"
	big := strings.Repeat("x", 1<<20-5) // so that what is searched lies across two reads
	for _, hidden := range []string{
		text, strings.ToUpper(text), "MarKer123456", big + text,
		base64.StdEncoding.EncodeToString([]byte("one before " + text + " and after")),
		base64.StdEncoding.EncodeToString([]byte("a word before " + text)),
		base64.URLEncoding.EncodeToString([]byte("two words be-fore" + text)),
		hex.EncodeToString([]byte(text)), strings.ToUpper(hex.EncodeToString([]byte(strings.ToUpper(text)))),
		"m\x00a\x00r\x00k\x00e\x00r\x001\x002\x003\x004\x005\x006\x00",
	} {
		require.True(t, holds(strings.NewReader(hidden), needles(text)), hidden[max(0, len(hidden)-40):])
	}
	for _, other := range []string{"", "marker12345", big + "marker" + big, "marker 123456"} {
		require.False(t, holds(strings.NewReader(other), needles(text)))
	}
}
