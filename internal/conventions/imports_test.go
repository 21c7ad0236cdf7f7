// Package conventions has tests over the tree itself: which package may import
// which, which package reads which schema, and how comments and texts are
// written.
package conventions

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImportDirections checks which package may import which. The domain knows
// only the standard library. The four sides of Ping do not know each other: their
// contracts are the log and the tables. The client, which others copy, knows
// nothing of Ping, and examples know only the client.
func TestImportDirections(t *testing.T) {
	sides := []string{"commands", "projections", "readapi", "realtime"}
	for pkg, imports := range importsOfModule(t) {
		folder, _, _ := strings.Cut(pkg, "/")
		for _, imported := range imports {
			path, ours := strings.CutPrefix(imported, "ping/")
			target, _, _ := strings.Cut(path, "/")
			allowed := false
			switch {
			case folder == "cmd":
				allowed = true
			case pkg == "internal/node": // the wiring
				allowed = target != "cmd" && !strings.HasPrefix(path, "internal/e2e")
			case pkg == "internal/e2e/harness":
				allowed = target != "cmd"
			case pkg == "realtime/client":
				allowed = isStandard(imported) || slices.Contains([]string{"github.com/coder/websocket", "github.com/google/uuid"}, imported)
			case folder == "deploy":
				allowed = !ours || path == "realtime/client"
			case folder == "domain":
				allowed = isStandard(imported) || imported == "ping/domain"
			case !ours:
				allowed = true
			case folder == "internal" || folder == "migrations":
				allowed = slices.Contains([]string{"docs", "domain", "internal", "migrations"}, target) && !isWiring(path)
			case slices.Contains(sides, folder):
				allowed = (target == folder || target == "domain" || target == "internal") && !isWiring(path)
			}
			if !allowed {
				t.Errorf("%s must not import %s", pkg, imported)
			}
		}
	}
}

// isWiring reports whether a package is the wiring or the tests' harness, which
// only programs and tests import.
func isWiring(path string) bool {
	return path == "internal/node" || strings.HasPrefix(path, "internal/e2e")
}

// TestArrowsWithin checks the imports of packages that belong together.
func TestArrowsWithin(t *testing.T) {
	allowed := map[string][]string{
		// The socket knows neither users nor conversations.
		"internal/transport": {},
		"realtime/protocol":  {"domain"},
		// The load tool: no arrow runs back up, and the verdict knows no network.
		"internal/load/workload": {"domain"},
		"internal/load/oracle":   {"domain", "internal/load/workload"},
		"internal/load/measure":  {"internal/load/oracle"},
		"internal/load/wire":     {"domain", "internal/load/workload", "internal/wait"},
	}
	all := importsOfModule(t)
	for pkg, targets := range allowed {
		require.Contains(t, all, pkg)
		for _, imported := range all[pkg] {
			if path, ours := strings.CutPrefix(imported, "ping/"); ours && !slices.Contains(targets, path) {
				t.Errorf("%s must not import %s", pkg, imported)
			}
		}
	}
	require.NotContains(t, dependencies(t, "ping/internal/load/oracle"), "net")
}

// dependencies returns every package that a package needs, directly or through
// others.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", pkg).Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

// isStandard recognises packages of the standard library: their first element
// has no dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return first != "ping" && !strings.Contains(first, ".")
}

// importsOfModule returns what each package of the module imports, without its
// tests, by its path in the module.
func importsOfModule(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "ping/...").Output()
	require.NoError(t, err)
	all := map[string][]string{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		require.NoError(t, decoder.Decode(&pkg))
		all[strings.TrimPrefix(pkg.ImportPath, "ping/")] = pkg.Imports
	}
	require.Contains(t, all, "domain")
	return all
}
