package deploy_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// stage is one stage of the Dockerfile: its instructions, in order.
type stage []instruction

type instruction struct{ name, arguments string }

// values returns the arguments of all instructions of that name.
func (s stage) values(name string) (all []string) {
	for _, one := range s {
		if one.name == name {
			all = append(all, one.arguments)
		}
	}
	return all
}

// readDockerfile reads the forms that our Dockerfile has: one instruction per line.
func readDockerfile(t *testing.T) (stages []stage) {
	t.Helper()
	for line := range strings.Lines(readFile(t, "Dockerfile")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		require.False(t, strings.HasSuffix(line, `\`), "instructions are one line each: %s", line)
		name, arguments, _ := strings.Cut(line, " ")
		if name == "FROM" {
			stages = append(stages, nil)
		}
		require.NotEmpty(t, stages, "the first instruction is FROM")
		last := &stages[len(stages)-1]
		*last = append(*last, instruction{name, arguments})
	}
	return stages
}

// built is the binary that the Dockerfile's first stage makes, built once.
var built = struct {
	once sync.Once
	path string
}{}

// buildImage runs the steps of the build stage as a script, with a folder as the
// image's root, and returns the binary.
func buildImage(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds the whole program")
	}
	built.once.Do(func() {
		root := image
		workdir, env := root, os.Environ()
		for _, one := range readDockerfile(t)[0] {
			switch one.name {
			case "FROM":
			case "WORKDIR":
				workdir = filepath.Join(root, one.arguments)
				require.NoError(t, os.MkdirAll(workdir, 0o755))
			case "ARG":
				env = append(env, one.arguments)
			case "COPY":
				copyInto(t, workdir, one.arguments)
			case "RUN":
				shell := exec.CommandContext(t.Context(), "sh", "-e", "-c", strings.ReplaceAll(one.arguments, " /out/", " "+root+"/out/"))
				shell.Dir, shell.Env = workdir, env
				out, err := shell.CombinedOutput()
				require.NoError(t, err, "%s", out)
			default:
				require.Fail(t, "the test does not know "+one.name)
			}
		}
		built.path = filepath.Join(root, "out/ping")
	})
	require.NotEmpty(t, built.path, "the build failed")
	return built.path
}

// copyInto copies what COPY names from the repository, as far as it would be
// committed: that is at least what .dockerignore leaves.
func copyInto(t *testing.T, workdir, arguments string) {
	t.Helper()
	words := strings.Fields(arguments)
	list := exec.CommandContext(t.Context(), "git", append([]string{"ls-files", "--cached", "--others", "--exclude-standard", "--"}, words[:len(words)-1]...)...)
	list.Dir = ".."
	files, err := list.Output()
	require.NoError(t, err)
	require.NotEmpty(t, files, "COPY %s", arguments)
	for file := range strings.Lines(string(files)) {
		file = strings.TrimSpace(file)
		content, err := os.ReadFile(filepath.Join("..", file))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		require.NoError(t, err)
		target := filepath.Join(workdir, words[len(words)-1], file)
		require.NoError(t, os.MkdirAll(filepath.Dir(target), 0o755))
		require.NoError(t, os.WriteFile(target, content, 0o644))
	}
}

func TestDockerfile(t *testing.T) {
	stages := readDockerfile(t)
	require.Len(t, stages, 2)
	final := stages[1]
	t.Run("pins its images by tag", func(t *testing.T) {
		for _, s := range stages {
			require.Regexp(t, `^[a-z]+:\d+\.\d+`, s.values("FROM")[0])
		}
	})
	t.Run("builds with the Go version of go.mod", func(t *testing.T) {
		version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readFile(t, "../go.mod"))[1]
		require.Contains(t, stages[0].values("FROM")[0], "golang:"+version+"-")
	})
	t.Run("runs as a user who is not root", func(t *testing.T) {
		require.Equal(t, []string{"65532:65532"}, final.values("USER"))
	})
	t.Run("copies and starts what the first stage built", func(t *testing.T) {
		require.Equal(t, []string{"--from=build /out/ping /usr/local/bin/ping"}, final.values("COPY"))
		require.Equal(t, []string{`["/usr/local/bin/ping"]`}, final.values("ENTRYPOINT"))
		require.Equal(t, []string{`["serve"]`}, final.values("CMD"))
	})
	t.Run("sets settings that exist", func(t *testing.T) {
		for _, value := range strings.Fields(strings.Join(final.values("ENV"), " ")) {
			name, _, _ := strings.Cut(value, "=")
			require.Contains(t, settings(t), name)
		}
	})
	t.Run("builds a program that starts", func(t *testing.T) {
		out, err := exec.CommandContext(t.Context(), buildImage(t), "--version").CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "unknown", "the version is the argument VERSION")
	})
	t.Run("builds a static program", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("it is an ELF file on Linux alone")
		}
		program, err := elf.Open(buildImage(t))
		require.NoError(t, err)
		defer program.Close()
		for _, part := range program.Progs {
			require.NotEqual(t, elf.PT_INTERP, part.Type, "it needs a dynamic loader")
		}
	})
}
