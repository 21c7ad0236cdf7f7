package load

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGenerated(t *testing.T) {
	memberships := func(p *plan) map[*user]int {
		n := map[*user]int{}
		for _, c := range p.conversations {
			for _, u := range c.members {
				n[u]++
			}
		}
		return n
	}
	t.Run("spreads_senders_over_groups", func(t *testing.T) {
		p := generated(Config{Groups: 50, Members: 10, Senders: 64, Window: 1})
		require.Len(t, p.users, 500)
		require.Len(t, p.conversations, 50)
		sending := map[*user]bool{}
		for _, s := range p.senders {
			require.Len(t, s.lines, 1)
			require.Contains(t, s.lines[0].conversation.members, s.user)
			require.False(t, sending[s.user], "each sender is a member of its own")
			sending[s.user] = true
		}
		for u, n := range memberships(p) {
			require.Equal(t, 1, n, "user %d", u.number)
		}
	})
	t.Run("gives_few_senders_several_groups", func(t *testing.T) {
		p := generated(Config{Groups: 10, Members: 3, Senders: 4, Window: 1})
		require.Len(t, p.users, 4+10*2)
		for _, c := range p.conversations {
			require.Len(t, c.members, 3)
			require.Len(t, c.lines, 1)
		}
		require.Len(t, p.senders[0].lines, 3)
		require.Len(t, p.senders[3].lines, 2)
	})
	t.Run("lets_a_user_be_several_senders_when_there_are_more_of_them", func(t *testing.T) {
		p := generated(Config{Groups: 1, Members: 2, Senders: 5, Window: 8})
		require.Len(t, p.users, 2)
		require.Same(t, p.senders[1].user, p.senders[3].user)
		require.False(t, p.senders[0].lines[0].ordered)
	})
	t.Run("makes_one_big_group", func(t *testing.T) {
		p := generated(Config{Groups: 1, Members: 500, Senders: 1, Window: 8})
		require.Len(t, p.conversations[0].members, 500)
	})
}

func TestAppendBody(t *testing.T) {
	for _, size := range []int{minBody, 25, 80, maxBody} {
		b := appendBody(nil, 9999, maxMessages, size)
		require.Len(t, b, size)
	}
	require.NotEqual(t, appendBody(nil, 1, 11, 80), appendBody(nil, 11, 1, 80))
}

func TestConfig(t *testing.T) {
	good := Config{URLs: []string{"http://127.0.0.1:8080"}, Groups: 50, Members: 10, Senders: 64, Window: 1, BodySize: 80,
		Duration: time.Second, RetryFor: time.Second, Settle: time.Second}
	require.NoError(t, good.Check())
	for name, c := range map[string]struct {
		spoil func(c *Config)
		want  string
	}{
		"another_host":            {func(c *Config) { c.URLs = []string{"http://192.0.2.1:8080"} }, "--allow-remote"},
		"a_name":                  {func(c *Config) { c.URLs = []string{"http://example.com"} }, "--allow-remote"},
		"a_name_like_localhost":   {func(c *Config) { c.URLs = []string{"http://localhost.example.com"} }, "--allow-remote"},
		"TLS":                     {func(c *Config) { c.URLs = []string{"https://127.0.0.1"} }, "TLS"},
		"a_path":                  {func(c *Config) { c.URLs = []string{"http://127.0.0.1/v1"} }, "only scheme"},
		"no_server":               {func(c *Config) { c.URLs = nil }, "--url"},
		"no_end":                  {func(c *Config) { c.Duration = 0 }, "--duration or --messages"},
		"too_many_users":          {func(c *Config) { c.Groups, c.Members = 1000, 1000 }, "at most"},
		"no_window":               {func(c *Config) { c.Window = 0 }, "--window"},
		"short_bodies":            {func(c *Config) { c.BodySize = 3 }, "--body-size"},
		"a_rate_for_a_corpus":     {func(c *Config) { c.Corpus, c.Users, c.Rate = "x", 1, 5 }, "--rate"},
		"a_window_for_a_corpus":   {func(c *Config) { c.Corpus, c.Users, c.Window = "x", 1, 5 }, "--window"},
		"a_mix_for_a_corpus":      {func(c *Config) { c.Corpus, c.Users, c.Mix = "x", 1, mixRealistic }, "--mix"},
		"what_is_no_mix":          {func(c *Config) { c.Mix = "wild" }, "--mix"},
		"a_corpus_without_users":  {func(c *Config) { c.Corpus = "x" }, "--users"},
		"retries_without_an_end":  {func(c *Config) { c.RetryFor = 0 }, "--retry-for"},
		"more_than_can_be_stored": {func(c *Config) { c.Messages = math.MaxInt32 }, "--messages"},
	} {
		t.Run("refuses_"+name, func(t *testing.T) {
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

func TestBackoff(t *testing.T) {
	for n := 1; n < 100; n++ {
		d := backoff(n, 0)
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.LessOrEqual(t, d, min(backoffMost, backoffFirst<<min(n-1, 20)))
	}
	require.GreaterOrEqual(t, backoff(1, time.Second), time.Second, "the server's wish")
}

func TestSeqTable(t *testing.T) {
	var table seqTable
	require.Nil(t, table.slot(0))
	require.Nil(t, table.slot(-1))
	require.Nil(t, table.slot(maxSeq+1))
	far := table.slot(5000)
	far.start.Store(7)
	table.slot(1).start.Store(1)
	require.Same(t, far, table.slot(5000), "growing keeps what is there")
	require.EqualValues(t, 7, table.slot(5000).start.Load())
	require.NotNil(t, table.slot(maxSeq))
}
