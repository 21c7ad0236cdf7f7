package load

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
	"ping/internal/load/measure"
)

// runLoad runs `ping load` as a process of its own.
func runLoad(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	tool := harness.Command(t, append([]string{"load"}, args...)...)
	tool.Stdout, tool.Stderr = t.Output(), t.Output()
	return tool
}

func figuresOf(t *testing.T, file string) (f measure.Figures) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &f))
	return f
}

// TestLoad: nothing is lost, doubled or out of order, although sockets are cut
// and the only node is killed twice during the run.
func TestLoad(t *testing.T) {
	harness.ClearSettings(t)
	w := harness.NewWorld(t)
	addr := harness.FreeAddr(t)

	pool := harness.PoolOf(t, w)
	sent := func() (n int) {
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM log.events WHERE type = 'message.sent'").Scan(&n))
		return n
	}
	node := harness.ServeAt(t, w, addr)
	file := filepath.Join(t.TempDir(), "figures.json")
	tool := runLoad(t, "--url", "http://"+addr, "--groups", "5", "--members", "4", "--senders", "16",
		"--messages", "6000", "--disconnects", "20", "--json", file)
	require.NoError(t, tool.Start())
	for _, after := range []int{1000, 3000} {
		require.Eventually(t, func() bool { return sent() >= after }, time.Minute, 5*time.Millisecond)
		harness.Kill(t, node)
		node = harness.ServeAt(t, w, addr)
	}
	require.NoError(t, tool.Wait(), "the verdict is the exit status")

	f := figuresOf(t, file)
	require.Equal(t, "passed", f.Verdict)
	require.EqualValues(t, 6000, f.Accepted)
	require.EqualValues(t, 6000, f.History)
	require.EqualValues(t, 4*6000, f.Deliveries)
	require.EqualValues(t, 20, f.Cuts)
	require.Greater(t, f.Reconnects, f.Cuts, "the kills cut all sockets")
	require.Positive(t, f.Retries)
	require.NotEmpty(t, f.Servers)
}

// TestLoadMix: the read models match what was done, although sockets are cut and
// the only node is killed during the run.
func TestLoadMix(t *testing.T) {
	harness.ClearSettings(t)
	w := harness.NewWorld(t)
	addr := harness.FreeAddr(t)

	pool := harness.PoolOf(t, w)
	node := harness.ServeAt(t, w, addr)
	file := filepath.Join(t.TempDir(), "figures.json")
	tool := runLoad(t, "--url", "http://"+addr, "--mix", "realistic", "--groups", "4", "--members", "5", "--senders", "8",
		"--messages", "2500", "--disconnects", "10", "--json", file)
	require.NoError(t, tool.Start())
	require.Eventually(t, func() bool {
		var edits int
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM log.events WHERE type = 'message.edited'").Scan(&edits))
		return edits >= 20
	}, time.Minute, 5*time.Millisecond)
	harness.Kill(t, node)
	harness.ServeAt(t, w, addr)
	require.NoError(t, tool.Wait(), "the verdict is the exit status")

	f := figuresOf(t, file)
	require.Equal(t, "passed", f.Verdict)
	require.Positive(t, f.Retries)
	for _, a := range f.Actions {
		require.Positive(t, a.Done, a.Action)
	}
}

// TestLoadIdle: sockets that do nothing stay open, and are measured.
func TestLoadIdle(t *testing.T) {
	harness.ClearSettings(t)
	w := harness.NewWorld(t)
	addr := harness.FreeAddr(t)
	harness.ServeAt(t, w, addr)
	file := filepath.Join(t.TempDir(), "figures.json")
	tool := runLoad(t, "--url", "http://"+addr, "--idle", "120", "--users", "30", "--quiet", "1s", "--json", file)
	require.NoError(t, tool.Run(), "the verdict is the exit status")

	f := figuresOf(t, file)
	require.Equal(t, "passed", f.Verdict)
	require.EqualValues(t, 120, f.Idle.Open)
	require.EqualValues(t, 120, f.Deliveries)
	require.Positive(t, f.Idle.ConnectsPerSecond)
	require.Positive(t, f.Idle.Settled.ResidentMB)
}

// TestLoadStorm: nothing is lost when all sockets of three nodes are cut at once,
// and ephemeral frames reach all other sockets.
func TestLoadStorm(t *testing.T) {
	harness.ClearSettings(t)
	w := harness.NewWorld(t)
	file := filepath.Join(t.TempDir(), "figures.json")
	args := []string{"--storm", "--stealth", "--groups", "4", "--members", "4", "--senders", "8", "--messages", "600", "--json", file}
	for range 3 {
		addr := harness.FreeAddr(t)
		harness.ServeAt(t, w, addr)
		args = append(args, "--url", "http://"+addr)
	}
	require.NoError(t, runLoad(t, args...).Run(), "the verdict is the exit status")

	f := figuresOf(t, file)
	require.Equal(t, "passed", f.Verdict)
	require.EqualValues(t, f.Sockets, f.Storm.Sockets)
	require.Positive(t, f.Storm.Seconds)
	require.EqualValues(t, 600, f.Accepted+f.Stealth.Sent)
	require.Positive(t, f.Stealth.Withdrawn)
	require.Positive(t, f.Stealth.GoneLate.Max)
}

// TestLoadSlow: sockets that do not read for a while are closed, and lose nothing.
func TestLoadSlow(t *testing.T) {
	harness.ClearSettings(t)
	w := harness.NewWorld(t)
	addr := harness.FreeAddr(t)
	harness.ServeAt(t, w, addr)
	file := filepath.Join(t.TempDir(), "figures.json")
	tool := runLoad(t, "--url", "http://"+addr, "--slow", "2", "--groups", "1", "--members", "4", "--senders", "2",
		"--window", "8", "--body-size", "4000", "--messages", "3000", "--json", file)
	require.NoError(t, tool.Run(), "the verdict is the exit status")

	f := figuresOf(t, file)
	require.Equal(t, "passed", f.Verdict)
	require.EqualValues(t, 4*3000, f.Deliveries)
	require.EqualValues(t, 2, f.Slow.Sockets)
	require.EqualValues(t, 2, f.Slow.Closed+f.Slow.Cut, "more was due to each than a server lets wait and a kernel holds")
}

// TestLoadFails: the verdict finds messages that the read model has lost.
func TestLoadFails(t *testing.T) {
	harness.ClearSettings(t)
	w := harness.NewWorld(t)
	base := harness.StartNode(t, w)
	require.Equal(t, http.StatusOK, (&harness.Client{Base: base}).Call(t, "GET", "/readyz", nil).Status)
	pool := harness.PoolOf(t, w)
	// A read model that drops a message is what a broken projection would be.
	_, err := pool.Exec(t.Context(), `
		CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.seq % 40 = 0 THEN RETURN NULL; END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER lose BEFORE INSERT ON timeline.messages FOR EACH ROW EXECUTE FUNCTION lose()`)
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "figures.json")
	tool := runLoad(t, "--url", base, "--groups", "2", "--members", "2", "--senders", "2", "--messages", "200", "--json", file)
	require.Error(t, tool.Run(), "the verdict is the exit status")
	f := figuresOf(t, file)
	require.Equal(t, "failed", f.Verdict)
	require.Positive(t, f.Faults["lost"])
	require.NotEmpty(t, f.Examples["lost"])
}

func TestLoadRefuses(t *testing.T) {
	for name, args := range map[string][]string{
		"another machine":        {"--url", "http://192.0.2.1:8080"},
		"two kinds of load":      {"--closed-loop", "--rate", "5"},
		"what is no flag":        {"fast"},
		"a missing corpus":       {"--corpus", filepath.Join(t.TempDir(), "none")},
		"an unreachable server":  {"--url", "http://127.0.0.1:1"},
		"a load without users":   {"--groups", "0"},
		"an unknown mix":         {"--mix", "wild"},
		"idle with another load": {"--idle", "10", "--storm"},
		"slow in a storm":        {"--slow", "1", "--storm"},
		"stealth in a mix":       {"--stealth", "--mix", "realistic"},
	} {
		t.Run(name, func(t *testing.T) { require.Error(t, runLoad(t, args...).Run()) })
	}
}
