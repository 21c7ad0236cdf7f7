package docs

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
	"ping/internal/node"
)

func TestOperationsNameEverySetting(t *testing.T) {
	text := harness.Document(t, "docs/operations.md")
	for _, s := range node.Settings {
		fallback := " "
		if s.Default != "" {
			fallback = " `" + s.Default + "` "
		}
		row := fmt.Sprintf("| `%s` | `--%s` |%s| %s |\n", s.Env, s.Name, fallback, strings.ReplaceAll(s.Usage, "`", ""))
		require.Contains(t, text, row)
	}
}

// TestOperationsTellWhatToWatch: the section lists exactly the metrics of sockets
// that a node has.
func TestOperationsTellWhatToWatch(t *testing.T) {
	_, section, found := strings.Cut(harness.Document(t, "docs/operations.md"), "## What to watch\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	names := func(pattern, text string) (all []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			all = append(all, match[1])
		}
		return all
	}
	metrics := harness.Fetch(t, harness.StartNode(t, harness.NewWorld(t))+"/metrics")
	require.ElementsMatch(t, names(`# TYPE (ping_stream\w+)`, string(metrics)), names("`(ping_stream\\w+)", section))
}

// TestReadmeConversation does what the README tells a newcomer to do, word by
// word but for the address.
func TestReadmeConversation(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	_, section, found := strings.Cut(harness.Document(t, "README.md"), "## A first conversation\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var steps []string
	listens := -1
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		if strings.Contains(block[1], "deploy/examples/listen") {
			listens = len(steps)
		}
		steps = append(steps, block[1])
	}
	require.Positive(t, listens, "a user has to be there to listen")
	before, listen, after := steps[:listens], steps[listens], steps[listens+1:]

	base := harness.StartNode(t, harness.NewWorld(t))
	const address = "PING=http://127.0.0.1:8080"
	require.Contains(t, before[0], address)
	before[0] = strings.Replace(before[0], address, "PING="+base, 1)
	shell := exec.Command("sh", "-e")
	shell.Dir, shell.Stderr = "../../..", t.Output()
	in, err := shell.StdinPipe()
	require.NoError(t, err)
	out := startLines(t, shell)
	// run runs steps in the one shell, and returns what they wrote.
	run := func(steps []string) string {
		_, err := fmt.Fprintf(in, "%s\necho\necho '-- done'\n", strings.Join(steps, "\n"))
		require.NoError(t, err)
		return awaitLine(t, out, "-- done")
	}

	require.Contains(t, run(before), `"display_name":"Ada"`)
	listener := exec.Command("sh", "-c", listen)
	listener.Dir, listener.Stderr = "../../..", t.Output()
	listener.Env = append(os.Environ(), "PING="+base)
	frames := startLines(t, listener)
	awaitLine(t, frames, "resumed")

	said := run(after)
	require.Contains(t, said, "Idempotent-Replayed: true")
	require.Contains(t, said, `"unread_count":1`)
	require.Contains(t, said, `{"seq":4}`)
	heard := awaitLine(t, frames, `"event":"read.advanced"`)
	require.Equal(t, 1, strings.Count(heard, "Good morning!"), heard)
	require.NoError(t, in.Close())
}

// startLines starts a program in a process group of its own, which ends with
// the test, and returns the lines that it writes.
func startLines(t *testing.T, program *exec.Cmd) <-chan string {
	t.Helper()
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-program.Process.Pid, syscall.SIGKILL) // it may have ended
		for range lines {                                       // until all who write to it have
		}
		_ = program.Wait() // killed
	})
	return lines
}

// awaitLine reads lines until one contains the text, and returns all of them.
func awaitLine(t *testing.T, lines <-chan string, text string) string {
	t.Helper()
	var all strings.Builder
	timeout := time.After(time.Minute)
	for {
		select {
		case line, ok := <-lines:
			require.True(t, ok, "it ended without %s:\n%s", text, all.String())
			all.WriteString(line + "\n")
			if strings.Contains(line, text) {
				return all.String()
			}
		case <-timeout:
			require.Fail(t, "no line with "+text, all.String())
		}
	}
}
