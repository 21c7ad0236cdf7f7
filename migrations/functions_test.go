package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"ping/internal/testkit"
	"ping/migrations"
)

// functionRow returns what identifies the stored row of log.version_at: it
// changes when the function is replaced, even by itself.
func functionRow(t *testing.T, url string) (row string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.NoError(t, conn.QueryRow(t.Context(), `
SELECT p.xmin || ' ' || obj_description(p.oid, 'pg_proc') FROM pg_proc p
 WHERE p.oid = 'log.version_at(uuid, bigint)'::regprocedure`).Scan(&row))
	return row
}

func TestFunctions(t *testing.T) {
	const replace = `CREATE OR REPLACE FUNCTION log.version_at(p_stream uuid, p_position bigint) RETURNS bigint
LANGUAGE sql STABLE AS 'SELECT 4711::bigint'`

	t.Run("an unchanged function is left alone", func(t *testing.T) {
		url := testkit.DatabaseURL(t)
		before := functionRow(t, url)
		names, err := migrations.Up(t.Context(), url)
		require.NoError(t, err)
		require.Empty(t, names)
		require.Equal(t, before, functionRow(t, url))
	})
	t.Run("a function changed by hand is replaced, once", func(t *testing.T) {
		url := testkit.DatabaseURL(t)
		execute(t, url, replace)
		require.NoError(t, migrations.Check(t.Context(), url), "nodes start all the same")
		names, err := migrations.Up(t.Context(), url)
		require.NoError(t, err)
		require.Equal(t, []string{"log.version_at"}, names)
		names, err = migrations.Up(t.Context(), url)
		require.NoError(t, err)
		require.Empty(t, names)
	})
	t.Run("a function of another version is replaced, and asked for before nodes start", func(t *testing.T) {
		url := testkit.DatabaseURL(t)
		execute(t, url, replace+`; COMMENT ON FUNCTION log.version_at(uuid, bigint) IS 'Installed by ping migrate; file 00, definition 00.'`)
		require.ErrorContains(t, migrations.Check(t.Context(), url), "ping migrate")
		names, err := migrations.Up(t.Context(), url)
		require.NoError(t, err)
		require.Equal(t, []string{"log.version_at"}, names)
		require.NoError(t, migrations.Check(t.Context(), url))
	})
	t.Run("a function that only a migration installed is replaced", func(t *testing.T) {
		url := testkit.DatabaseURL(t)
		execute(t, url, `COMMENT ON FUNCTION log.version_at(uuid, bigint) IS NULL`)
		require.ErrorContains(t, migrations.Check(t.Context(), url), "ping migrate")
		names, err := migrations.Up(t.Context(), url)
		require.NoError(t, err)
		require.Equal(t, []string{"log.version_at"}, names)
	})
	t.Run("an overload that older nodes call stays", func(t *testing.T) {
		url := testkit.DatabaseURL(t)
		execute(t, url, `CREATE FUNCTION log.version_at(p_stream uuid) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1::bigint'`)
		execute(t, url, replace)
		_, err := migrations.Up(t.Context(), url)
		require.NoError(t, err)
		execute(t, url, `SELECT log.version_at('00000000-0000-0000-0000-000000000000'::uuid)`)
	})
	t.Run("one of several nodes that migrate at once replaces it", func(t *testing.T) {
		url := testkit.DatabaseURL(t)
		execute(t, url, replace)
		replaced := make([][]string, 4)
		var group errgroup.Group
		for i := range replaced {
			group.Go(func() (err error) {
				replaced[i], err = migrations.Up(t.Context(), url)
				return err
			})
		}
		require.NoError(t, group.Wait())
		var all []string
		for _, names := range replaced {
			all = append(all, names...)
		}
		require.Equal(t, []string{"log.version_at"}, all)
	})
}
