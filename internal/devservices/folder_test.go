package devservices

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFolder(t *testing.T) {
	t.Run("is for one process at a time", func(t *testing.T) {
		path := t.TempDir()
		first, err := OpenFolder(path)
		require.NoError(t, err)
		_, err = OpenFolder(path)
		require.ErrorContains(t, err, "process "+strconv.Itoa(os.Getpid())+" uses it already")
		require.NoError(t, first.Close())
		again, err := OpenFolder(path)
		require.NoError(t, err)
		require.NoError(t, again.Close())
	})
	t.Run("refuses one of a newer version", func(t *testing.T) {
		path := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(path, "version"), []byte("2\n"), 0o644))
		_, err := OpenFolder(path)
		require.ErrorContains(t, err, "written by a newer Ping")
		require.NoError(t, os.WriteFile(filepath.Join(path, "version"), []byte("1\n"), 0o644))
		folder, err := OpenFolder(path)
		require.NoError(t, err, "the refused one must have given the lock back")
		require.NoError(t, folder.Close())
	})
	t.Run("keeps secrets for this user alone", func(t *testing.T) {
		folder, err := OpenFolder(filepath.Join(t.TempDir(), "new"))
		require.NoError(t, err)
		defer folder.Close()
		secret, err := folder.Secret("jwt")
		require.NoError(t, err)
		require.Len(t, secret, 64)
		again, err := folder.Secret("jwt")
		require.NoError(t, err)
		require.Equal(t, secret, again)
		info, err := os.Stat(folder.Path("jwt"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	})
}
