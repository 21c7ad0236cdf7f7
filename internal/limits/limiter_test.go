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

// clock is a node's clock that a test can advance. Redis has its own.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// start makes the limiter of one node.
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
	t.Run("allows as many as the rate says and counts down the remaining permits", func(t *testing.T) {
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
		require.True(t, l.Take(ctx, Login, "bob").Allowed, "another user has their own limit")
		require.True(t, l.Take(ctx, Send, "ada").Allowed, "another action has its own limit")
	})
	t.Run("without rates does not ask Redis", func(t *testing.T) {
		rdb := testkit.Redis(t)
		l, _ := start(t, rdb, "off")
		require.True(t, l.Off())
		require.Equal(t, Decision{Allowed: true}, l.Take(ctx, Send, "ada"))
		require.Zero(t, rdb.DBSize(ctx).Val())
	})
	t.Run("grants permits with time", func(t *testing.T) {
		l, _ := start(t, testkit.Redis(t), "send=20/s")
		require.Eventually(t, func() bool { return !l.Take(ctx, Send, "ada").Allowed }, 10*time.Second, time.Microsecond)
		require.Eventually(t, func() bool { return l.Take(ctx, Send, "ada").Allowed }, 10*time.Second, time.Millisecond)
	})
	t.Run("stores subjects as hashes, no longer than needed", func(t *testing.T) {
		rdb := testkit.Redis(t)
		l, _ := start(t, rdb, "login=6/m")
		for _, name := range []string{"ada@example.org", "203.0.113.9", "2001:db8::"} {
			require.True(t, l.Take(ctx, Login, name).Allowed)
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
	t.Run("exactly at a slow rate", func(t *testing.T) {
		rdb := testkit.Redis(t)
		one, _ := start(t, rdb, "login=20/h")
		other, _ := start(t, rdb, "login=20/h")
		require.EqualValues(t, 20, takeAtOnce(ctx, 64, Login, one, other))
	})
	t.Run("to within a tally per node at a fast rate", func(t *testing.T) {
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
		for allowed < 150 { // three times the burst
			for _, l := range []*Limiter{one, other} {
				if l.Take(ctx, Send, "ada").Allowed {
					allowed++
				}
			}
			require.LessOrEqual(t, allowed, 50+50*time.Since(began).Seconds()+2*9+1)
		}
	})
}

// takeAtOnce requests the given number of permits from each node concurrently, and returns how many were granted.
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
	t.Run("are settled in batches of ten", func(t *testing.T) {
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
	t.Run("refuse when Redis refuses to settle them", func(t *testing.T) {
		rdb := testkit.Redis(t)
		one, _ := start(t, rdb, "send=180000/h") // 50/s
		other, _ := start(t, rdb, "send=180000/h")
		for range 9 {
			require.True(t, other.Take(ctx, Send, "ada").Allowed)
		}
		limit := redis_rate.Limit{Rate: 180_000, Burst: 180_000, Period: time.Hour}
		subject := one.subject(Send, "ada")
		taken, err := one.counts.AllowN(ctx, key(Send, subject), limit, 180_000-1)
		require.NoError(t, err)
		require.Positive(t, taken.Allowed)
		d := other.Take(ctx, Send, "ada")
		require.False(t, d.Allowed)
		require.Positive(t, d.RetryAfter)
		require.Less(t, d.RetryAfter, time.Second)
		require.Eventually(t, func() bool { return other.Take(ctx, Send, "ada").Allowed }, 10*time.Second, time.Millisecond)
		require.Zero(t, other.tally(subject).unsettled, "the nine are settled too")
	})
	t.Run("remember a refusal to spare Redis the flood", func(t *testing.T) {
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
		require.Equal(t, 1, askedBy(l, flood), "a refusal is remembered for one second")
	})
	t.Run("are bounded in number", func(t *testing.T) {
		l, _ := start(t, testkit.Redis(t), "send=50/s")
		for i := range maxTallies + 100 {
			l.tally(subject{byte(i), byte(i >> 8)})
		}
		require.Equal(t, maxTallies, l.tallies.Len())
	})
}

// askedBy counts the requests to Redis that do causes.
func askedBy(l *Limiter, do func()) int {
	asked := func() int { return int(l.redis.PoolStats().Hits + l.redis.PoolStats().Misses) }
	before := asked()
	do()
	return asked() - before
}

func TestRedisOutage(t *testing.T) {
	ctx := t.Context()
	folder, err := os.MkdirTemp("", "ping-limits-") // a short path, so that a restarted Redis has the same socket
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
	// logged returns what was logged since the last call.
	logged := func() string {
		text := log.String()[seen:]
		seen += len(text)
		return text
	}
	l := New(rdb, Rates{Login: {1, time.Hour}}, "secret", slog.New(slog.NewTextHandler(&log, nil)))
	defer func() { require.NoError(t, l.Close()) }()

	users := 0
	// limited reports whether a new user is allowed exactly one login.
	limited := func() bool {
		users++
		user := strconv.Itoa(users)
		return l.Take(ctx, Login, user).Allowed && !l.Take(ctx, Login, user).Allowed
	}
	require.True(t, limited())

	// flood takes far more than the limit while Redis is unavailable.
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
		require.Equal(t, 1, strings.Count(logged(), "redis unavailable"), "one line per outage")
	}
	t.Run("nothing is limited while Redis hangs", func(t *testing.T) {
		require.NoError(t, rdb.Do(ctx, "CLIENT", "PAUSE", "600000", "WRITE").Err())
		flood(t)
		require.Positive(t, value(t, l.metrics.unchecked))
	})
	t.Run("a probe ends the outage", func(t *testing.T) {
		require.NoError(t, rdb.Do(ctx, "CLIENT", "UNPAUSE").Err())
		require.Eventually(t, limited, 10*time.Second, 10*time.Millisecond)
		require.Equal(t, 1, strings.Count(logged(), "redis available"))
	})
	t.Run("nothing is limited while Redis is stopped", func(t *testing.T) {
		require.NoError(t, server.Stop())
		flood(t)
	})
	t.Run("a new Redis starts with full limits", func(t *testing.T) {
		server, err = devservices.StartRedis(ctx, folder)
		require.NoError(t, err)
		require.Eventually(t, limited, 10*time.Second, 10*time.Millisecond)
		require.Equal(t, 1, strings.Count(logged(), "redis available"))
	})
	t.Run("a client that disconnects is no outage", func(t *testing.T) {
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		require.NotZero(t, l.Take(cancelled, Login, "cyd").Rate)
		require.Empty(t, logged())
	})
}

// BenchmarkTake measures one permit. Each subject takes one batch, then the next subject follows.
func BenchmarkTake(b *testing.B) {
	for _, one := range []struct{ name, rates string }{
		{"off", "off"},
		{"Redis every time", "send=5/s"},
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
			taken, name := 0, ""
			for b.Loop() {
				if taken%batch == 0 {
					name = strconv.Itoa(taken)
				}
				if !l.Take(ctx, Send, name).Allowed {
					b.Fatal("refused")
				}
				taken++
			}
		})
	}
}
