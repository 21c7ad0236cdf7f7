package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImportDirections holds which package may import which. The domain knows
// nothing but the standard library, and the four sides of Ping do not know each
// other: their contracts are the log and the tables. The client, which others
// copy, knows nothing of Ping; examples know nothing but the client.
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
			case pkg == "realtime/client":
				allowed = isStandard(imported) || slices.Contains([]string{"github.com/coder/websocket", "github.com/google/uuid"}, imported)
			case folder == "deploy":
				allowed = !ours || path == "realtime/client"
			case folder == "domain":
				allowed = isStandard(imported) || imported == "ping/domain"
			case !ours:
				allowed = true
			case folder == "internal" || folder == "migrations":
				allowed = slices.Contains([]string{"docs", "domain", "internal", "migrations"}, target)
			case slices.Contains(sides, folder):
				allowed = target == folder || target == "domain" || target == "internal"
			}
			if !allowed {
				t.Errorf("%s must not import %s", pkg, imported)
			}
		}
	}
}

// isStandard tells the standard library's packages, whose first element has no
// dot, from others'.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return first != "ping" && !strings.Contains(first, ".")
}

// importsOfModule returns what each package of the module imports, tests left
// out, by its path below the module.
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
