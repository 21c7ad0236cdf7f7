package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
	"ping/internal/node"
)

func TestServeSettings(t *testing.T) {
	harness.ClearSettings(t)
	good := map[string]string{
		"DATABASE_URL": "postgres://user@localhost/ping",
		"REDIS_URL":    "redis://localhost",
		"NATS_URL":     "nats://localhost:4222,nats://other:4222",
		"JWT_SECRET":   strings.Repeat("s", 32),
	}
	read := func(t *testing.T, change map[string]string) error {
		t.Helper()
		_, err := node.ReadConfig(func(name string) string {
			for _, s := range node.Settings {
				if s.Name != name {
					continue
				}
				for _, from := range []map[string]string{change, good} {
					if text, ok := from[s.Env]; ok {
						return text
					}
				}
				return s.Default
			}
			return ""
		})
		return err
	}
	require.NoError(t, read(t, nil))

	for _, bad := range []struct{ env, text, reason string }{
		{"DATABASE_URL", "", "is not set"},
		{"DATABASE_URL", "postgres://localhost:port/ping", "is not valid"},
		{"REDIS_URL", "", "is not set"},
		{"REDIS_URL", "http://localhost", "is not valid"},
		{"REDIS_URL", "http://localhost?addr=other:6379", "is not valid"},
		{"REDIS_URL", "redis://localhost:6379?addr=other", "is not valid"},
		{"NATS_URL", "", "is not set"},
		{"NATS_URL", "nats://one,http://other", `its scheme is "http"`},
		{"NATS_URL", "nats://", "names no host"},
		{"JWT_SECRET", "", "is not set"},
		{"JWT_SECRET", strings.Repeat("s", 31), "has 31 bytes, at least 32 are needed"},
		{"PING_ADDR", "", "is not set"},
		{"PING_ADDR", "8080", "is not host:port"},
		{"PING_ADDR", "localhost:http", `has port "http"`},
		{"PING_METRICS_ADDR", "localhost:70000", `has port "70000"`},
		{"PING_PPROF_ADDR", "localhost", "is not host:port"},
		{"PING_ORIGINS", "https://good.example, chat.example.com", `has "chat.example.com"`},
		{"PING_PROXIES", "10.0.0.0/8, 10.0.0.1", `has " 10.0.0.1", which is not a network`},
		{"PING_DRAIN", "-1s", "not a time"},
		{"PING_DATABASE_CONNS", "11", "not a number from 12"},
		{"PING_STATE_CACHE", "0", "not a number from 1"},
		{"PING_LIMITS", "send=50", `whose unit is "", not s, m or h`},
		{"PING_LOG_LEVEL", "loud", "not debug, info, warn or error"},
	} {
		t.Run(bad.env+"="+bad.text, func(t *testing.T) {
			err := read(t, map[string]string{bad.env: bad.text})
			require.ErrorContains(t, err, bad.env+" (--")
			require.ErrorContains(t, err, bad.reason)
		})
	}
	t.Run("names every bad one at once", func(t *testing.T) {
		change := map[string]string{"PING_ORIGINS": "x"}
		for _, s := range node.Settings {
			if s.Env != "PING_ORIGINS" {
				change[s.Env] = "?"
			}
		}
		err := read(t, change)
		for _, s := range node.Settings {
			require.ErrorContains(t, err, s.Env)
		}
	})
	t.Run("keeps passwords out of its errors", func(t *testing.T) {
		for _, env := range []string{"DATABASE_URL", "REDIS_URL", "NATS_URL"} {
			for _, url := range []string{"x://user:hunter2@host:1/", "redis://user:hunter2@host:port/", "://user:hunter2@host"} {
				err := read(t, map[string]string{env: url})
				require.Error(t, err, url)
				require.NotContains(t, err.Error(), "hunter2")
			}
		}
	})
}

func TestHelp(t *testing.T) {
	t.Run("documents every setting and shows no secret", func(t *testing.T) {
		harness.ClearSettings(t)
		t.Setenv("JWT_SECRET", "a secret in the environment")
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"ping", "serve", "--help"}, &out, &out))
		for _, s := range node.Settings {
			require.Contains(t, out.String(), "--"+s.Name)
			require.Contains(t, out.String(), s.Env)
		}
		require.NotContains(t, out.String(), "a secret in the environment")
	})
}

func TestUsageErrors(t *testing.T) {
	harness.ClearSettings(t)
	for args, reason := range map[string]string{
		"nonsense":                `no command "nonsense"`,
		"serve --nonsense":        "ping serve --help",
		"serve":                   "DATABASE_URL (--database-url) is not set",
		"migrate":                 "DATABASE_URL (--database-url) is not set",
		"dev --jwt-secret short":  "at least 32 are needed",
		"dev --drain soon":        `is "soon"`,
		"projection rebuild none": "DATABASE_URL (--database-url) is not set",
	} {
		t.Run(args, func(t *testing.T) {
			var out bytes.Buffer
			err := run(context.Background(), append([]string{"ping"}, strings.Fields(args)...), &out, &out)
			require.ErrorContains(t, err, reason)
			require.Empty(t, out.String())
		})
	}
}

func TestTakenPort(t *testing.T) {
	harness.ClearSettings(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	folder := t.TempDir()
	err = run(t.Context(), []string{"ping", "dev", "--data", folder, "--addr", "127.0.0.1:" + port}, t.Output(), t.Output())
	require.ErrorContains(t, err, "port "+port+" is in use")
	require.ErrorContains(t, err, "--addr")
	require.NoFileExists(t, folder+"/lock", "nothing is started for a port that is taken")
}
