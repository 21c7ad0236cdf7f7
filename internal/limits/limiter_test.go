package limits

import (
	"context"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/internal/devservices"
	"ping/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// clock is a node's clock, which a test sets. Redis's own goes on.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// start makes a limiter of a node.
func start(t testing.TB, rdb *redis.Client, rates string) (*Limiter, *clock) {
	t.Helper()
	parsed, err := Parse(rates)
	require.NoError(t, err)
	l, c := New(rdb, parsed, "secret", testkit.Logger(t)), &clock{}
	l.now = c.now
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l, c
}

func value(t testing.TB, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	require.NoError(t, c.Write(&m))
	return m.GetCounter().GetValue()
}

func TestTake(t *testing.T) {
	ctx := t.Context()
	t.Run("allows as many as the rate says, and tells what is left", func(t *testing.T) {
		l, _ := start(t, testkit.Redis(t), "login=3/h")
		for left := 2; left >= 0; left-- {
			d := l.Take(ctx, Login, "ada")
			require.True(t, d.Allowed)
			require.Equal(t, Rate{3, time.Hour}, d.Rate)
			require.Equal(t, left, d.Remaining)
			require.InDelta(t, time.Duration(3-left)*20*time.Minute, d.Reset, float64(time.Minute))
			require.Zero(t, d.RetryAfter)
		}
		for range 3 {
			d := l.Take(ctx, Login, "ada")
			require.False(t, d.Allowed)
			require.Zero(t, d.Remaining)
			require.InDelta(t, 20*time.Minute, d.RetryAfter, float64(time.Minute))
			require.InDelta(t, time.Hour, d.Reset, float64(time.Minute))
		}
		require.Equal(t, 3.0, value(t, l.metrics.refused.WithLabelValues(Login)))
		require.True(t, l.Take(ctx, Login, "bob").Allowed, "another has a limit of his own")
		require.True(t, l.Take(ctx, Send, "ada").Allowed, "another action has a limit of its own")
	})
	t.Run("without rates asks nobody", func(t *testing.T) {
		rdb := testkit.Redis(t)
		l, _ := start(t, rdb, "off")
		require.True(t, l.Off())
		require.Equal(t, Decision{Allowed: true}, l.Take(ctx, Send, "ada"))
		require.Zero(t, rdb.DBSize(ctx).Val())
	})
	t.Run("gives permits again with time", func(t *testing.T) {
		l, _ := start(t, testkit.Redis(t), "send=20/s")
		require.Eventually(t, func() bool { return !l.Take(ctx, Send, "ada").Allowed }, 10*time.Second, time.Microsecond)
		require.Eventually(t, func() bool { return l.Take(ctx, Send, "ada").Allowed }, 10*time.Second, time.Millisecond)
	})
	t.Run("writes down whom it counts as a hash, for no longer than it has to", func(t *testing.T) {
		rdb := testkit.Redis(t)
		l, _ := start(t, rdb, "login=6/m")
		for _, whom := range []string{"ada@example.org", "203.0.113.9", "2001:db8::"} {
			require.True(t, l.Take(ctx, Login, whom).Allowed)
		}
		keys := rdb.Keys(ctx, "*").Val()
		require.Len(t, keys, 3)
		for _, key := range keys {
			require.Regexp(t, `^ping:limit:login:[0-9a-f]{32}$`, key)
			require.Positive(t, rdb.TTL(ctx, key).Val())
			require.LessOrEqual(t, rdb.TTL(ctx, key).Val(), 10*time.Second)
		}
		other := New(rdb, l.Rates(), "another secret", testkit.Logger(t))
		defer other.Close()
		require.NotEqual(t, l.subject(Login, "ada@example.org"), other.subject(Login, "ada@example.org"))
	})
}

func TestNodesShareALimit(t *testing.T) {
	ctx := t.Context()
	t.Run("exactly when it is slow", func(t *testing.T) {
		rdb := testkit.Redis(t)
		one, _ := start(t, rdb, "login=20/h")
		other, _ := start(t, rdb, "login=20/h")
		require.EqualValues(t, 20, takeAtOnce(ctx, 64, Login, one, other))
	})
	t.Run("to within a tally each when it is fast", func(t *testing.T) {
		rdb := testkit.Redis(t)
		one, _ := start(t, rdb, "send=50/s")
		other, _ := start(t, rdb, "send=50/s")
		began := time.Now()
		allowed := float64(takeAtOnce(ctx, 200, Send, one, other))
		require.GreaterOrEqual(t, allowed, 50.0)
		require.LessOrEqual(t, allowed, 50+50*time.Since(began).Seconds()+2*9)
	})
	t.Run("also over time", func(t *testing.T) {
		rdb := testkit.Redis(t)
		one, _ := start(t, rdb, "send=50/s")
		other, _ := start(t, rdb, "send=50/s")
		allowed, began := 0.0, time.Now()
		for allowed < 150 { // three times what there is at once
			for _, l := range []*Limiter{one, other} {
				if l.Take(ctx, Send, "ada").Allowed {
					allowed++
				}
			}
			require.LessOrEqual(t, allowed, 50+50*time.Since(began).Seconds()+2*9+1)
		}
	})
}

// takeAtOnce takes each permits at each node, all at once, and returns how
// many it got.
func takeAtOnce(ctx context.Context, each int, action string, nodes ...*Limiter) int64 {
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for _, l := range nodes {
		for range each {
			wg.Go(func() {
				if l.Take(ctx, action, "ada").Allowed {
					allowed.Add(1)
				}
			})
		}
	}
	wg.Wait()
	return allowed.Load()
}

func TestTallies(t *testing.T) {
	ctx := t.Context()
	t.Run("are settled ten at once", func(t *testing.T) {
		rdb := testkit.Redis(t)
		l, _ := start(t, rdb, "send=1000000/h") // 277/s
		for range 9 {
			require.True(t, l.Take(ctx, Send, "bob").Allowed)
		}
		require.Zero(t, rdb.DBSize(ctx).Val(), "nine are not settled")
		require.True(t, l.Take(ctx, Send, "bob").Allowed)
		require.EqualValues(t, 1, rdb.DBSize(ctx).Val())
		require.Equal(t, 4, askedBy(l, func() {
			for used := range 49 {
				require.InDelta(t, maxCount-used-1, l.Take(ctx, Send, "ada").Remaining, 10)
			}
		}), "of 49, 40 are settled")
	})
	t.Run("that Redis cannot settle refuse", func(t *testing.T) {
		rdb := testkit.Redis(t)
		one, _ := start(t, rdb, "send=180000/h") // 50/s
		other, _ := start(t, rdb, "send=180000/h")
		for range 9 {
			require.True(t, other.Take(ctx, Send, "ada").Allowed)
		}
		limit := redis_rate.Limit{Rate: 180_000, Burst: 180_000, Period: time.Hour}
		who := one.subject(Send, "ada")
		taken, err := one.counts.AllowN(ctx, key(Send, who), limit, 180_000-1)
		require.NoError(t, err)
		require.Positive(t, taken.Allowed)
		d := other.Take(ctx, Send, "ada")
		require.False(t, d.Allowed)
		require.Positive(t, d.RetryAfter)
		require.Less(t, d.RetryAfter, time.Second)
		require.Eventually(t, func() bool { return other.Take(ctx, Send, "ada").Allowed }, 10*time.Second, time.Millisecond)
		require.Zero(t, other.tally(who).unpaid, "the nine are paid for as well")
	})
	t.Run("of a refusal spare Redis the flood", func(t *testing.T) {
		l, c := start(t, testkit.Redis(t), "login=1/h")
		require.True(t, l.Take(ctx, Login, "ada").Allowed)
		require.False(t, l.Take(ctx, Login, "ada").Allowed)
		flood := func() {
			for range 100 {
				require.False(t, l.Take(ctx, Login, "ada").Allowed)
			}
		}
		require.Zero(t, askedBy(l, flood))
		c.advance(refusalLife)
		require.Equal(t, 1, askedBy(l, flood), "Redis is asked again after a second")
	})
	t.Run("are bounded in number", func(t *testing.T) {
		l, _ := start(t, testkit.Redis(t), "send=50/s")
		for i := range maxTallies + 100 {
			l.tally(subject{byte(i), byte(i >> 8)})
		}
		require.Equal(t, maxTallies, l.tallies.Len())
	})
}

// askedBy counts how often Redis is asked meanwhile.
func askedBy(l *Limiter, do func()) int {
	asked := func() int { return int(l.redis.PoolStats().Hits + l.redis.PoolStats().Misses) }
	before := asked()
	do()
	return asked() - before
}

func TestRedisAway(t *testing.T) {
	ctx := t.Context()
	folder, err := os.MkdirTemp("", "ping-limits-") // short, so that Redis's socket is at the same place again
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	server, err := devservices.StartRedis(ctx, folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	options, err := redis.ParseURL(server.URL())
	require.NoError(t, err)
	rdb := redis.NewClient(options)
	defer rdb.Close()
	var log testkit.Log
	seen := 0
	// take returns what was logged since it was last asked.
	take := func() string {
		text := log.String()[seen:]
		seen += len(text)
		return text
	}
	l := New(rdb, Rates{Login: {1, time.Hour}}, "secret", slog.New(slog.NewTextHandler(&log, nil)))
	defer func() { require.NoError(t, l.Close()) }()

	users := 0
	// kept reports whether a new user is allowed one login alone.
	kept := func() bool {
		users++
		user := strconv.Itoa(users)
		return l.Take(ctx, Login, user).Allowed && !l.Take(ctx, Login, user).Allowed
	}
	require.True(t, kept())

	// flood takes far more than the limit while Redis is away.
	flood := func(t *testing.T) {
		t.Helper()
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 100 {
					if d := l.Take(ctx, Login, "bob "+strconv.Itoa(i)); d != (Decision{Allowed: true}) {
						t.Errorf("it is %+v", d)
					}
				}
			})
		}
		wg.Wait()
		require.Less(t, time.Since(began), 5*time.Second, "800 requests did not each wait")
		require.Equal(t, 1, strings.Count(take(), "does not answer"), "one line an outage")
	}
	t.Run("nothing is limited while it hangs", func(t *testing.T) {
		require.NoError(t, rdb.Do(ctx, "CLIENT", "PAUSE", "600000", "WRITE").Err())
		flood(t)
		require.Positive(t, value(t, l.metrics.unchecked))
	})
	t.Run("a probe finds it again", func(t *testing.T) {
		require.NoError(t, rdb.Do(ctx, "CLIENT", "UNPAUSE").Err())
		require.Eventually(t, kept, 10*time.Second, 10*time.Millisecond)
		require.Equal(t, 1, strings.Count(take(), "redis answers"))
	})
	t.Run("nothing is limited when it is gone", func(t *testing.T) {
		require.NoError(t, server.Stop())
		flood(t)
	})
	t.Run("a new one starts with whole limits", func(t *testing.T) {
		server, err = devservices.StartRedis(ctx, folder)
		require.NoError(t, err)
		require.Eventually(t, kept, 10*time.Second, 10*time.Millisecond)
		require.Equal(t, 1, strings.Count(take(), "redis answers"))
	})
	t.Run("a client that goes away is no outage", func(t *testing.T) {
		gone, cancel := context.WithCancel(ctx)
		cancel()
		require.NotZero(t, l.Take(gone, Login, "cyd").Rate)
		require.Empty(t, take())
	})
}

// BenchmarkTake is what a permit costs: each subject takes as many as are
// settled at once, and the next one follows.
func BenchmarkTake(b *testing.B) {
	for _, one := range []struct{ name, rates string }{
		{"off", "off"},
		{"Redis each time", "send=5/s"},
		{"tallies of 2", "send=10/s"},
		{"tallies of 10", "send=50/s"},
	} {
		b.Run(one.name, func(b *testing.B) {
			l, _ := start(b, testkit.Redis(b), one.rates)
			batch := math.MaxInt
			if !l.Off() {
				batch = l.Rates()[Send].batch()
			}
			ctx := b.Context()
			b.ReportAllocs()
			taken, whom := 0, ""
			for b.Loop() {
				if taken%batch == 0 {
					whom = strconv.Itoa(taken)
				}
				if !l.Take(ctx, Send, whom).Allowed {
					b.Fatal("refused")
				}
				taken++
			}
		})
	}
}
