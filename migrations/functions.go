package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	logsql "ping/internal/eventlog/sql"
)

// function is a SQL function of schema log as this version has it.
type function struct {
	name     string // without the schema
	source   string // CREATE OR REPLACE FUNCTION …
	checksum string // of source
}

// functions returns the SQL functions of this version, by name.
func functions() ([]function, error) {
	files, err := fs.Glob(logsql.Functions, "*.sql")
	if err != nil {
		return nil, err
	}
	all := make([]function, len(files))
	for i, file := range files {
		source, err := fs.ReadFile(logsql.Functions, file)
		if err != nil {
			return nil, err
		}
		all[i] = function{strings.TrimSuffix(file, ".sql"), string(source), fmt.Sprintf("%x", sha256.Sum256(source))}
	}
	return all, nil
}

// installFunctions replaces the functions that are not as this version has them,
// and returns their names. Every node that migrates does so in turn: the
// advisory lock is held until commit, and the checks come after it.
func installFunctions(ctx context.Context, db *sql.DB) (names []string, err error) {
	all, err := functions()
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("install functions: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('ping log functions', 0))`); err != nil {
		return nil, fmt.Errorf("install functions: %w", err)
	}
	for _, f := range all {
		current, err := f.isCurrent(ctx, tx)
		if err == nil && !current {
			err = f.install(ctx, tx)
			names = append(names, "log."+f.name)
		}
		if err != nil {
			return nil, fmt.Errorf("install function log.%s: %w", f.name, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("install functions: %w", err)
	}
	return names, nil
}

// The comment of an installed function has two checksums. That of the file shows
// that another version installed it; that of the definition, as Postgres prints
// it, shows that it was changed by hand.
const commentFormat = "Installed by ping migrate; file %s, definition %s."

// isCurrent reports whether the function is as install left it.
func (f *function) isCurrent(ctx context.Context, tx *sql.Tx) (current bool, err error) {
	err = tx.QueryRowContext(ctx, `
SELECT EXISTS (
       SELECT FROM pg_proc p
        WHERE p.pronamespace = 'log'::regnamespace AND p.proname = $1
          AND obj_description(p.oid, 'pg_proc') = format($2::text, $3::text, md5(pg_get_functiondef(p.oid))))`,
		f.name, commentFormat, f.checksum).Scan(&current)
	return current, err
}

// install makes the function and writes its checksums into its comment. The row
// of pg_proc that this transaction wrote tells it from overloads of its name.
func (f *function) install(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, f.source); err != nil {
		return err
	}
	var comment string
	err := tx.QueryRowContext(ctx, `
SELECT format('COMMENT ON FUNCTION %s IS %L', p.oid::regprocedure, format($2::text, $3::text, md5(pg_get_functiondef(p.oid))))
  FROM pg_proc p
 WHERE p.pronamespace = 'log'::regnamespace AND p.proname = $1 AND p.xmin = pg_current_xact_id()::xid`,
		f.name, commentFormat, f.checksum).Scan(&comment)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s.sql does not create it", f.name)
	}
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, comment)
	return err
}

// checkFunctions returns an error unless the functions are from this version's
// files. It leaves alone what was changed by hand, until the next `ping migrate`
// replaces it.
func checkFunctions(ctx context.Context, db *sql.DB) error {
	all, err := functions()
	if err != nil {
		return err
	}
	for _, f := range all {
		var installed bool
		err := db.QueryRowContext(ctx, `
SELECT EXISTS (
       SELECT FROM pg_proc p
        WHERE p.pronamespace = to_regnamespace('log') AND p.proname = $1
          AND obj_description(p.oid, 'pg_proc') LIKE format($2::text, $3::text, '%'))`,
			f.name, commentFormat, f.checksum).Scan(&installed)
		if err != nil {
			return fmt.Errorf("check function log.%s: %w", f.name, err)
		}
		if !installed {
			return fmt.Errorf("function log.%s is of another version: run `ping migrate` first", f.name)
		}
	}
	return nil
}
