// Package migrations holds the schema of everything that is not derived: the
// log and the identities. A migration that was released does not change; the
// log's SQL functions are files of their own (internal/eventlog/sql), which are
// installed again when they change. Read models are not here: a projection
// brings its own schema.sql.
package migrations

import "embed"

// FS holds the migrations for goose, in order.
//
//go:embed *.sql
var FS embed.FS
