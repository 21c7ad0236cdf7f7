package docs

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
)

// TestExamples runs the scripts that show the contract, as a reader does.
func TestExamples(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	all := exec.CommandContext(t.Context(), "sh", "../../../deploy/examples/all.sh")
	all.Env = append(os.Environ(), "PING="+harness.StartNode(t, harness.NewWorld(t)))
	out, err := all.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
