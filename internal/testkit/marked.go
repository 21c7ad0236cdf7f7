package testkit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// Marked returns where a text is, in any case, among all rows of all tables of
// a database and all messages of a NATS server's JetStream.
func Marked(t testing.TB, pool *pgxpool.Pool, natsURL, text string) (places []string) {
	t.Helper()
	return append(markedRows(t, pool, text), markedMessages(t, natsURL, text)...)
}

const allTablesSQL = `
SELECT n.nspname, c.relname
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
 ORDER BY 1, 2`

func markedRows(t testing.TB, pool *pgxpool.Pool, text string) (places []string) {
	t.Helper()
	rows, _ := pool.Query(t.Context(), allTablesSQL)
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (name pgx.Identifier, err error) {
		name = make(pgx.Identifier, 2)
		return name, row.Scan(&name[0], &name[1])
	})
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(tables, func(n pgx.Identifier) bool { return slices.Equal(n, pgx.Identifier{"log", "events"}) }))
	for _, table := range tables {
		var found int
		require.NoError(t, pool.QueryRow(t.Context(),
			`SELECT count(*) FROM `+table.Sanitize()+` AS t WHERE position(lower($1) IN lower(t::text)) > 0`, text).Scan(&found))
		if found > 0 {
			places = append(places, fmt.Sprintf("%d rows of %s", found, strings.Join(table, ".")))
		}
	}
	return places
}

func markedMessages(t testing.TB, natsURL, text string) (places []string) {
	t.Helper()
	nc, err := nats.Connect(natsURL)
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	text = strings.ToLower(text)
	names := js.StreamNames(t.Context())
	for name := range names.Name() {
		stream, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		state := stream.CachedInfo().State
		for sequence := state.FirstSeq; sequence <= state.LastSeq; sequence++ {
			msg, err := stream.GetMsg(t.Context(), sequence)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			require.NoError(t, err)
			if whole := fmt.Sprint(msg.Subject, msg.Header, string(msg.Data)); strings.Contains(strings.ToLower(whole), text) {
				places = append(places, fmt.Sprintf("%s at %d", name, sequence))
			}
		}
	}
	require.NoError(t, names.Err())
	return places
}
