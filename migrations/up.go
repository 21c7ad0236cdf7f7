package migrations

import (
	"context"
	"database/sql"
	"errors"
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
func Up(ctx context.Context, url string) (names []string, err error) {
	err = withProvider(url, func(provider *goose.Provider) error {
		if _, err := pending(ctx, provider); err != nil {
			return err
		}
		results, err := provider.Up(ctx)
		for _, result := range results {
			names = append(names, result.Source.Path)
		}
		return err
	})
	return names, err
}

// Check returns an error unless the database at url has exactly this version's
// schema.
func Check(ctx context.Context, url string) error {
	return withProvider(url, func(provider *goose.Provider) error {
		missing, err := pending(ctx, provider)
		if err != nil {
			return err
		}
		if missing {
			return errors.New("the database has an older schema than this version needs: run `ping migrate` first")
		}
		return nil
	})
}

// pending tells whether migrations are missing. More than are known is an error.
func pending(ctx context.Context, provider *goose.Provider) (bool, error) {
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return false, err
	}
	if current > newest {
		return false, fmt.Errorf("the database has schema version %d, this Ping knows up to %d: a newer version has migrated it; use that one", current, newest)
	}
	return current < newest, nil
}

func withProvider(url string, use func(*goose.Provider) error) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	defer db.Close()
	// Tried again each second, up to five minutes.
	oneAtATime, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, FS,
		goose.WithTableName(table), goose.WithSessionLocker(oneAtATime), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if err := use(provider); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return nil
}
