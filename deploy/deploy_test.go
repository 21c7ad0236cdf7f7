// Package deploy_test checks what can be checked of the deployment files
// without a container.
package deploy_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/coreos/go-systemd/v22/unit"
	"github.com/stretchr/testify/require"
)

// image is a folder with the role of the image's root.
var image string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "ping-image-")
	if err != nil {
		panic(err)
	}
	image = folder
	code := m.Run()
	_ = os.RemoveAll(folder) // it is temporary
	os.Exit(code)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// settings returns the environment variables that `ping serve` reads.
func settings(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), buildImage(t), "serve", "--help").CombinedOutput()
	require.NoError(t, err, "%s", out)
	var names []string
	for _, match := range regexp.MustCompile(`\[\$(\w+)\]`).FindAllStringSubmatch(string(out), -1) {
		names = append(names, match[1])
	}
	require.Contains(t, names, "DATABASE_URL")
	return names
}

// loadCompose loads compose.yaml with the variables that env.example names.
func loadCompose(t *testing.T) *types.Project {
	t.Helper()
	env := types.Mapping{}
	for _, match := range regexp.MustCompile(`(?m)^([A-Z_]+)=$`).FindAllStringSubmatch(readFile(t, "env.example"), -1) {
		env[match[1]] = "secret-of-" + strings.ToLower(match[1])
	}
	require.Len(t, env, 4)
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: ".", Environment: env, ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml"}},
	})
	require.NoError(t, err)
	return project
}

func TestCompose(t *testing.T) {
	project := loadCompose(t)
	nodes := []string{"node1", "node2", "node3"}
	t.Run("needs every secret", func(t *testing.T) {
		_, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
			WorkingDir: ".", ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml"}},
		})
		require.ErrorContains(t, err, "see deploy/env.example")
	})
	t.Run("pins all images by tag", func(t *testing.T) {
		for name, service := range project.Services {
			if service.Build == nil {
				require.Regexp(t, `^[a-z]+:\d+`, service.Image, name)
			}
		}
	})
	t.Run("gives nodes settings that exist, and the secrets", func(t *testing.T) {
		known := settings(t)
		for _, name := range append(nodes, "migrate") {
			environment := project.Services[name].Environment
			for key := range environment {
				require.Contains(t, known, key)
			}
			require.Contains(t, *environment["DATABASE_URL"], "secret-of-postgres_password")
			require.Contains(t, *environment["NATS_URL"], "secret-of-nats_password")
			require.Contains(t, *environment["REDIS_URL"], "secret-of-redis_password")
			require.Equal(t, "secret-of-jwt_secret", *environment["JWT_SECRET"])
		}
	})
	t.Run("runs nodes with a read-only root and without capabilities", func(t *testing.T) {
		for _, name := range nodes {
			service := project.Services[name]
			require.True(t, service.ReadOnly)
			require.Equal(t, []string{"ALL"}, service.CapDrop)
			require.NotNil(t, service.HealthCheck)
		}
	})
	t.Run("keeps nothing of Redis on a disk", func(t *testing.T) {
		redis := project.Services["redis"]
		require.Empty(t, redis.Volumes)
		require.Contains(t, strings.Join(redis.Command, " "), "--save  --appendonly no")
	})
	t.Run("lets only nginx be reached", func(t *testing.T) {
		require.True(t, project.Networks["inside"].Internal)
		for name, service := range project.Services {
			require.Equal(t, name == "nginx", len(service.Ports) > 0, name)
		}
	})
}

func TestNginx(t *testing.T) {
	text := readFile(t, "nginx.conf")
	t.Run("knows every node of compose.yaml", func(t *testing.T) {
		var servers []string
		for _, match := range regexp.MustCompile(`server (\w+):8080`).FindAllStringSubmatch(text, -1) {
			servers = append(servers, match[1])
		}
		require.Equal(t, []string{"node1", "node2", "node3"}, servers)
	})
	t.Run("is valid", func(t *testing.T) {
		name, err := exec.LookPath("nginx")
		if err != nil {
			t.Skip("nginx is not installed")
		}
		// nginx looks up all names when it checks.
		local := regexp.MustCompile(`node\d:`).ReplaceAllString(text, "127.0.0.1:")
		path := t.TempDir() + "/nginx.conf"
		require.NoError(t, os.WriteFile(path, []byte(local), 0o600))
		out, err := exec.CommandContext(t.Context(), name, "-t", "-c", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
}

func TestUnit(t *testing.T) {
	text := readFile(t, "ping.service")
	options, err := unit.DeserializeOptions(strings.NewReader(text))
	require.NoError(t, err)
	values := map[string]string{}
	for _, o := range options {
		values[o.Section+"."+o.Name] = o.Value
	}
	t.Run("starts a node and restarts it", func(t *testing.T) {
		require.Equal(t, "/usr/local/bin/ping serve", values["Service.ExecStart"])
		require.Equal(t, "on-failure", values["Service.Restart"])
		require.Equal(t, "multi-user.target", values["Install.WantedBy"])
	})
	t.Run("gives it no rights", func(t *testing.T) {
		for name, want := range map[string]string{
			"DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "CapabilityBoundingSet": "",
		} {
			require.Equal(t, want, values["Service."+name], name)
		}
	})
	t.Run("names settings that exist", func(t *testing.T) {
		comment, _, _ := strings.Cut(text, "[Unit]")
		names := regexp.MustCompile(`[A-Z]+_[A-Z]+`).FindAllString(comment, -1)
		require.NotEmpty(t, names)
		require.Subset(t, settings(t), names)
	})
	t.Run("is valid for systemd", func(t *testing.T) {
		name, err := exec.LookPath("systemd-analyze")
		if err != nil {
			t.Skip("systemd is not installed")
		}
		path := t.TempDir() + "/ping.service"
		installed := strings.ReplaceAll(text, "/usr/local/bin/ping", buildImage(t))
		require.NoError(t, os.WriteFile(path, []byte(installed), 0o600))
		out, err := exec.CommandContext(t.Context(), name, "verify", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Empty(t, string(out))
	})
}
