package conventions

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readers are the packages that may name the tables of a schema in SQL. A table
// that a package reads past its owner is part of the owner's contract: it cannot
// change without the reader.
var readers = map[string][]string{
	// The log. Projections apply its events in SQL, and a socket that starts reads
	// memberships and the positions of the log in one snapshot.
	"log": {"internal/eventlog", "projections", "realtime"},
	// Secrets and personal data.
	"identity": {"internal/identity"},
	// Checkpoints of projections.
	"projections": {"projections", "internal/checkpoint", "realtime"},
	// Read models.
	"inbox":     {"readapi", "realtime", "realtime/presence"},
	"timeline":  {"readapi"},
	"directory": {"readapi"},
	"search":    {"readapi"},
}

var (
	tableOf = regexp.MustCompile(`\b(log|identity|projections|inbox|timeline|directory|search)\.[a-z_]+\b`)
	isSQL   = regexp.MustCompile(`\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|FROM|JOIN)\b`)
)

// TestSchemaReaders checks which packages name the tables of which schema, and that
// the list above has no entry that nothing needs.
func TestSchemaReaders(t *testing.T) {
	found := map[string]map[string]string{} // schema to package to an example
	note := func(pkg, text string) {
		if !isSQL.MatchString(text) {
			return
		}
		for _, m := range tableOf.FindAllStringSubmatch(text, -1) {
			if found[m[1]] == nil {
				found[m[1]] = map[string]string{}
			}
			found[m[1]][pkg] = m[0]
		}
	}
	for _, file := range sourceFiles(t) {
		pkg := filepath.ToSlash(filepath.Dir(file))
		if strings.HasSuffix(file, ".sql") {
			text, err := os.ReadFile(filepath.Join("../..", file))
			require.NoError(t, err)
			pkg, _, _ = strings.Cut(pkg, "/sql") // a folder of functions belongs to the package above
			note(pkg, string(text))
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", file), nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				note(pkg, literal.Value)
			}
			return true
		})
	}
	for schema, packages := range found {
		for pkg, table := range packages {
			if !slices.Contains(readers[schema], pkg) {
				t.Errorf("%s names %s, but only %v may name tables of schema %s", pkg, table, readers[schema], schema)
			}
		}
	}
	for schema, packages := range readers {
		for _, pkg := range packages {
			require.Contains(t, found[schema], pkg, "%s names no table of schema %s: remove it from the list", pkg, schema)
		}
	}
}

// sourceFiles returns the Go and SQL files that run in production, apart from
// migrations, by their path in the module.
func sourceFiles(t *testing.T) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel("../..", path)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && name != "." || name == "migrations" || name == filepath.Join("internal", "e2e")):
			return filepath.SkipDir
		case strings.HasSuffix(name, "_test.go") || name == filepath.Join("internal", "testkit"):
			return nil
		case strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".sql"):
			files = append(files, name)
		}
		return nil
	}))
	require.NotEmpty(t, files)
	return files
}
