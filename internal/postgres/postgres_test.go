package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/postgres"
	"ping/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestIDs(t *testing.T) {
	pool := testkit.Pool(t)
	some, other := domain.DerivedID([]byte("some")), domain.DerivedID([]byte("other"))

	t.Run("an ID is a uuid in both directions", func(t *testing.T) {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
			var got domain.ID
			var text string
			require.NoError(t, pool.QueryRow(t.Context(), `SELECT $1::uuid, $1::uuid::text`, mode, some).Scan(&got, &text))
			require.Equal(t, some, got)
			require.Equal(t, some.String(), text)
		}
	})
	t.Run("the zero ID is the zero uuid", func(t *testing.T) {
		var text string
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT $1::uuid::text`, domain.ID{}).Scan(&text))
		require.Equal(t, domain.ID{}.String(), text)
	})
	t.Run("a nil pointer is NULL", func(t *testing.T) {
		var is bool
		var none, one *domain.ID
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT $1::uuid IS NULL, NULL::uuid, $2::uuid`, none, &some).Scan(&is, &none, &one))
		require.True(t, is)
		require.Nil(t, none)
		require.Equal(t, &some, one)
	})
	t.Run("NULL is an error for an ID that is no pointer", func(t *testing.T) {
		var id domain.ID
		require.Error(t, pool.QueryRow(t.Context(), `SELECT NULL::uuid`).Scan(&id))
	})
	t.Run("slices are arrays", func(t *testing.T) {
		var got []domain.ID
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT $1::uuid[]`, []domain.ID{some, other}).Scan(&got))
		require.Equal(t, []domain.ID{some, other}, got)
		var none, empty bool
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT $1::uuid[] IS NULL, $2::uuid[] = '{}'`, []domain.ID(nil), []domain.ID{}).Scan(&none, &empty))
		require.True(t, none)
		require.True(t, empty)
	})
	t.Run("slices of pointers are arrays with NULL", func(t *testing.T) {
		var got []*domain.ID
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT $1::uuid[]`, []*domain.ID{&some, nil}).Scan(&got))
		require.Equal(t, []*domain.ID{&some, nil}, got)
	})
	t.Run("rows collect into IDs", func(t *testing.T) {
		rows, err := pool.Query(t.Context(), `SELECT unnest($1::uuid[])`, []domain.ID{some, other})
		require.NoError(t, err)
		got, err := pgx.CollectRows(rows, pgx.RowTo[domain.ID])
		require.NoError(t, err)
		require.Equal(t, []domain.ID{some, other}, got)
	})
}

func TestIsDataError(t *testing.T) {
	pool := testkit.Pool(t)
	for sql, want := range map[string]bool{
		`SELECT 'x'::int`: true,
		`INSERT INTO log.meta (partitions, epoch) VALUES (0, 1)`: true,
		`SELECT * FROM nowhere`:                                  false,
	} {
		_, err := pool.Exec(t.Context(), sql)
		require.Error(t, err)
		require.Equal(t, want, postgres.IsDataError(err), sql)
	}
	require.Empty(t, postgres.State(pgx.ErrNoRows))
}

// BenchmarkIDs encodes an array of 512 ids.
func BenchmarkIDs(b *testing.B) {
	types := pgtype.NewMap()
	postgres.RegisterIDs(types)
	ids := make([]domain.ID, 512)
	buf := make([]byte, 0, 1<<15)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := types.Encode(pgtype.UUIDArrayOID, pgtype.BinaryFormatCode, ids, buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
