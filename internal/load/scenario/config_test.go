package scenario

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/internal/load/workload"
)

func TestConfig(t *testing.T) {
	good := Config{URLs: []string{"http://127.0.0.1:8080"}, Groups: 50, Members: 10, Senders: 64, Window: 1, BodySize: 80,
		Duration: time.Second, RetryFor: time.Second, Settle: time.Second}
	require.NoError(t, good.Check())
	for name, c := range map[string]struct {
		spoil func(c *Config)
		want  string
	}{
		"another host":            {func(c *Config) { c.URLs = []string{"http://192.0.2.1:8080"} }, "--allow-remote"},
		"a name":                  {func(c *Config) { c.URLs = []string{"http://example.com"} }, "--allow-remote"},
		"a name like localhost":   {func(c *Config) { c.URLs = []string{"http://localhost.example.com"} }, "--allow-remote"},
		"TLS":                     {func(c *Config) { c.URLs = []string{"https://127.0.0.1"} }, "TLS"},
		"a path":                  {func(c *Config) { c.URLs = []string{"http://127.0.0.1/v1"} }, "only scheme"},
		"no server":               {func(c *Config) { c.URLs = nil }, "--url"},
		"no end":                  {func(c *Config) { c.Duration = 0 }, "--duration or --messages"},
		"too many users":          {func(c *Config) { c.Groups, c.Members = 1000, 1000 }, "at most"},
		"no window":               {func(c *Config) { c.Window = 0 }, "--window"},
		"short bodies":            {func(c *Config) { c.BodySize = 3 }, "--body-size"},
		"a rate for a corpus":     {func(c *Config) { c.Corpus, c.Users, c.Rate = "x", 1, 5 }, "--rate"},
		"a window for a corpus":   {func(c *Config) { c.Corpus, c.Users, c.Window = "x", 1, 5 }, "--window"},
		"a mix for a corpus":      {func(c *Config) { c.Corpus, c.Users, c.Mix = "x", 1, workload.MixRealistic }, "--mix"},
		"an unknown mix":          {func(c *Config) { c.Mix = "wild" }, "--mix"},
		"a corpus without users":  {func(c *Config) { c.Corpus = "x" }, "--users"},
		"retries without an end":  {func(c *Config) { c.RetryFor = 0 }, "--retry-for"},
		"more than can be stored": {func(c *Config) { c.Messages = math.MaxInt32 }, "--messages"},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			cfg := good
			c.spoil(&cfg)
			require.ErrorContains(t, cfg.Check(), c.want)
		})
	}
	for _, url := range []string{"http://localhost:1", "http://[::1]:8080", "http://127.0.0.9", "http://127.0.0.1:8080/"} {
		require.NoError(t, checkURL(url, false), url)
	}
	require.NoError(t, checkURL("http://192.0.2.1:8080", true))
}
