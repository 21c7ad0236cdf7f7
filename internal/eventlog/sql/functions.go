// Package sql holds the SQL functions of the log, a file per function of schema
// log, named after it.
//
// `ping migrate` installs a file that has changed, and a function that differs
// from what was installed (migrations.Up). The first versions of the functions
// are in migrations/0001_log.sql, which does not change: these files replace
// them.
//
// Nodes of the version before may still run when a function is replaced, and
// call it. So a change must be additive: the function keeps its parameters and
// its results, and means the same to old callers. A function with other
// parameters is an overload in addition to the old one, which a later migration drops;
// one with other results needs another name, because Postgres does not replace
// it.
package sql

import "embed"

// Functions holds the files.
//
//go:embed *.sql
var Functions embed.FS
