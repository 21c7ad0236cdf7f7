package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"ping/internal/testkit"
	"ping/migrations"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func TestUp(t *testing.T) {
	t.Run("does nothing to a database that is up to date", func(t *testing.T) {
		names, err := migrations.Up(t.Context(), testkit.DatabaseURL(t))
		require.NoError(t, err)
		require.Empty(t, names)
	})
	t.Run("is done once when several nodes call it at once", func(t *testing.T) {
		url := testkit.EmptyDatabaseURL(t)
		taken := make([][]string, 4)
		var group errgroup.Group
		for i := range taken {
			group.Go(func() (err error) {
				taken[i], err = migrations.Up(t.Context(), url)
				return err
			})
		}
		require.NoError(t, group.Wait())
		var all []string
		for _, names := range taken {
			all = append(all, names...)
		}
		entries, err := migrations.FS.ReadDir(".")
		require.NoError(t, err)
		require.Len(t, all, len(entries)+2, "the migrations and the two functions of the log")
		require.NoError(t, migrations.Check(t.Context(), url))
	})
	t.Run("refuses a database of a newer version", func(t *testing.T) {
		url := testkit.DatabaseURL(t)
		execute(t, url, `INSERT INTO public.migrations (version_id, is_applied) VALUES (9999, true)`)
		_, err := migrations.Up(t.Context(), url)
		require.ErrorContains(t, err, "a newer version has migrated it")
		require.ErrorContains(t, migrations.Check(t.Context(), url), "a newer version has migrated it")
	})
}

func TestCheck(t *testing.T) {
	t.Run("asks for a migration", func(t *testing.T) {
		err := migrations.Check(t.Context(), testkit.EmptyDatabaseURL(t))
		require.ErrorContains(t, err, "ping migrate")
	})
}
