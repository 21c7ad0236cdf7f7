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

// table is where goose records the migrations of a database.
const table = "public.migrations"

// Up brings the database at url to this version's schema: it applies the missing
// migrations, and then installs the SQL functions that differ. It returns the
// names of both, in that order. Any number of nodes may call it at once: one
// does it, the others wait. A database that a newer version of Ping has migrated
// is an error.
func Up(ctx context.Context, url string) (names []string, err error) {
	err = withProvider(url, func(provider *goose.Provider, db *sql.DB) error {
		if _, err := pending(ctx, provider); err != nil {
			return err
		}
		results, err := provider.Up(ctx)
		for _, result := range results {
			names = append(names, result.Source.Path)
		}
		if err != nil {
			return err
		}
		installed, err := installFunctions(ctx, db)
		names = append(names, installed...)
		return err
	})
	return names, err
}

// Check returns an error unless the database at url has exactly this version's
// schema.
func Check(ctx context.Context, url string) error {
	return withProvider(url, func(provider *goose.Provider, db *sql.DB) error {
		missing, err := pending(ctx, provider)
		if err != nil {
			return err
		}
		if missing {
			return errors.New("the database has an older schema than this version needs: run `ping migrate` first")
		}
		return checkFunctions(ctx, db)
	})
}

// pending reports whether migrations are missing. It is an error if the database
// has migrations that this version does not know.
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

func withProvider(url string, use func(*goose.Provider, *sql.DB) error) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	defer db.Close()
	// The lock is retried every second, for up to five minutes.
	oneAtATime, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, FS,
		goose.WithTableName(table), goose.WithSessionLocker(oneAtATime), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if err := use(provider, db); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return nil
}
