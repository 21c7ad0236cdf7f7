package migrations

import (
	"context"
	"database/sql"
	"fmt"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that goose works through
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// table is where goose notes which migrations a database has had.
const table = "public.migrations"

// Up brings the database at url to the newest schema and returns the names of
// the migrations that it took, oldest first. Any number of nodes may do so at
// once: one does it, the others wait. A database that a newer version of Ping
// has migrated is an error.
func Up(ctx context.Context, url string) ([]string, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	defer db.Close()
	oneAtATime, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, FS,
		goose.WithTableName(table), goose.WithSessionLocker(oneAtATime), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	if current > newest {
		return nil, fmt.Errorf("the database has schema version %d, this Ping knows up to %d: it was migrated by a newer version; use that one", current, newest)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	names := make([]string, 0, len(results))
	for _, result := range results {
		names = append(names, result.Source.Path)
	}
	return names, nil
}
