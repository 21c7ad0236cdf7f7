package postgres

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// State returns the SQLSTATE of an error, empty if it is not from Postgres.
func State(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// IsDataError reports whether Postgres refused the data itself (data exceptions
// and integrity constraint violations), so that no retry helps.
func IsDataError(err error) bool {
	state := State(err)
	return strings.HasPrefix(state, "22") || strings.HasPrefix(state, "23")
}

// IsUndefinedTable reports whether a query names a table that does not exist.
func IsUndefinedTable(err error) bool { return State(err) == "42P01" }
