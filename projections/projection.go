package projections

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Projection is a read model: its tables, and how they are derived from the log.
type Projection struct {
	Name   string // of its folder, and of the Postgres schema with its tables
	Schema string // schema.sql: makes the tables; their names are unqualified
	Apply  string // apply.sql: applies the events of the view batch to them
	// Interval is the minimum time between the starts of two batches; 0 means the
	// runner's Config.Interval.
	Interval time.Duration
}

//go:embed timeline inbox directory search
var folders embed.FS

// unhurried are the projections that may lag behind a burst of messages: larger
// batches cost them a fraction.
var unhurried = map[string]time.Duration{"directory": 250 * time.Millisecond, "search": 500 * time.Millisecond}

// BuiltIn returns the projections that Ping's own reads need.
func BuiltIn() []Projection {
	var all []Projection
	for _, name := range []string{"timeline", "inbox", "directory", "search"} {
		p, err := Load(folders, name)
		if err != nil {
			panic(err) // the folders are part of the program
		}
		p.Interval = unhurried[name]
		all = append(all, p)
	}
	return all
}

// names restricts the name of a projection to what is a schema's name without
// quotes, with room for the suffix of a rebuild.
var names = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// applyTag quotes apply.sql as the body of a function.
const applyTag = "$ping_apply$"

// Load reads the projection in the folder of that name.
func Load(fsys fs.FS, name string) (Projection, error) {
	if !names.MatchString(name) || strings.HasSuffix(name, rebuildSuffix) || strings.HasPrefix(name, "pg_") || reserved[name] {
		return Projection{}, fmt.Errorf("%q cannot name a projection: it takes a-z, 0-9 and _, and is the name of a schema of its own", name)
	}
	schema, err := fs.ReadFile(fsys, name+"/schema.sql")
	if err != nil {
		return Projection{}, fmt.Errorf("load projection: %w", err)
	}
	apply, err := fs.ReadFile(fsys, name+"/apply.sql")
	if err != nil {
		return Projection{}, fmt.Errorf("load projection: %w", err)
	}
	if strings.Contains(string(apply), applyTag) {
		return Projection{}, fmt.Errorf("load projection %s: apply.sql contains %s", name, applyTag)
	}
	return Projection{Name: name, Schema: string(schema), Apply: string(apply)}, nil
}

// reserved are the schemas that hold something else.
var reserved = map[string]bool{"log": true, "projections": true, "identity": true, "public": true, "information_schema": true}

// fingerprint changes when the projection might build other tables.
func (p Projection) fingerprint() string {
	sum := sha256.Sum256([]byte(p.Schema + "\x00" + p.Apply))
	return hex.EncodeToString(sum[:])
}

// Install makes the tables of the projections that have none, empty and with
// checkpoints at the start of the log. It does not change existing tables: if they
// were built with other SQL, it logs that, and the runner does not apply events to
// them until a rebuild.
func Install(ctx context.Context, pool *pgxpool.Pool, all []Projection, logger *slog.Logger) error {
	for _, p := range all {
		built, err := install(ctx, pool, p)
		if err != nil {
			return fmt.Errorf("install projection %s: %w", p.Name, err)
		}
		if built != p.fingerprint() {
			logger.Error("projection was built with other SQL; rebuild it", "projection", p.Name, "command", "ping projection rebuild "+p.Name)
		}
	}
	return nil
}

// install returns the fingerprint of what the tables were built with.
func install(ctx context.Context, pool *pgxpool.Pool, p Projection) (built string, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// Nodes that start together must not create the same schema.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, lockClass(p.Name), lockInstall); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `SELECT fingerprint FROM projections.installed WHERE projection = $1`, p.Name).Scan(&built)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		built = p.fingerprint()
		if err := createTables(ctx, tx, p, p.Name); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO projections.installed (projection, fingerprint) VALUES ($1, $2)`, p.Name, built)
		return err
	})
	return built, err
}

// createTables makes the projection's tables in a new schema, and checkpoints
// at the log's beginning.
func createTables(ctx context.Context, tx pgx.Tx, p Projection, schema string) error {
	if _, err := tx.Exec(ctx, fmt.Sprintf("CREATE SCHEMA %[1]s; SET LOCAL search_path = %[1]s", schema), pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, p.Schema, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("schema.sql: %w", err)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO projections.checkpoints (projection, partition, position)
		SELECT $1, partition, 0 FROM log.heads`, schema)
	return err
}
