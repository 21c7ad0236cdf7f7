package contracttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// Files returns the files of a pattern, which must match some.
func Files(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

// EventOfFile returns the event of a golden payload. The file is named by the
// type and, after a dot, the variant.
func EventOfFile(t testing.TB, file string) domain.Event {
	t.Helper()
	payload, err := os.ReadFile(file)
	require.NoError(t, err)
	parts := strings.Split(filepath.Base(file), ".")
	e, err := domain.DecodeEvent(parts[0]+"."+parts[1], domain.Schema, payload)
	require.NoError(t, err)
	return e
}
