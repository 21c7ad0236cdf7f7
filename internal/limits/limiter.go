package limits

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/redis/go-redis/v9"
)

const (
	// redisTimeout bounds how long a request waits for Redis before it proceeds uncounted.
	redisTimeout = 500 * time.Millisecond
	// maxTallies bounds the subjects that a node remembers, in about 3 MB. The unsettled permits of an evicted subject
	// are lost, in its favour.
	maxTallies = 10_000
)

// Limiter takes permits for actions. It is safe for concurrent use.
type Limiter struct {
	rates  Rates
	secret []byte
	now    func() time.Time // this node's clock; Redis counts by its own

	redis   redis.UniversalClient // nil without rates
	counts  *redis_rate.Limiter
	breaker *breaker

	mu      sync.Mutex // of tallies
	tallies *simplelru.LRU[subject, *tally]

	metrics *metrics
}

// subject identifies a limit: a keyed hash of an action and of the user, address or account that it counts for.
type subject [16]byte

// Decision says whether an action may be taken.
type Decision struct {
	Allowed bool
	// Rate is that of the action; zero when nothing was counted, because there is no limit or Redis is unavailable.
	Rate Rate
	// Remaining is the number of available permits, as far as this node knows.
	Remaining int
	// Reset is the time until all permits are available.
	Reset time.Duration
	// RetryAfter is the time until a refused action may be retried.
	RetryAfter time.Duration
}

// New counts in the Redis of rdb, over connections of its own with shorter timeouts. The secret keys the hashes of
// subjects and is the same on all nodes. Without rates nothing is limited, and Redis is not asked. Call Close at the
// end.
func New(rdb redis.UniversalClient, rates Rates, secret string, logger *slog.Logger) *Limiter {
	l := &Limiter{rates: rates, secret: []byte(secret), now: time.Now, breaker: newBreaker(logger), metrics: newMetrics()}
	if l.Off() {
		return l
	}
	l.redis = withTimeout(rdb)
	l.counts = redis_rate.NewLimiter(plainKeys{l.redis})
	tallies, err := simplelru.NewLRU[subject, *tally](maxTallies, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	l.tallies = tallies
	return l
}

// withTimeout makes a client of the same Redis that fails after redisTimeout and does not retry.
func withTimeout(rdb redis.UniversalClient) redis.UniversalClient {
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		options := *cluster.Options()
		options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = redisTimeout, redisTimeout, redisTimeout, redisTimeout
		options.ContextTimeoutEnabled, options.MaxRetries, options.DialerRetries = true, -1, 1
		return redis.NewClusterClient(&options)
	}
	options := *rdb.(*redis.Client).Options()
	options.Dialer, options.PushNotificationProcessor = nil, nil // they belong to rdb; the client makes its own
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = redisTimeout, redisTimeout, redisTimeout, redisTimeout
	options.ContextTimeoutEnabled, options.MaxRetries, options.DialerRetries = true, -1, 1
	return redis.NewClient(&options)
}

// Off reports whether nothing is limited.
func (l *Limiter) Off() bool { return len(l.rates) == 0 }

// Rates returns the limits by action.
func (l *Limiter) Rates() Rates { return l.rates }

// Close closes the connections to Redis.
func (l *Limiter) Close() error {
	if l.redis == nil {
		return nil
	}
	return l.redis.Close()
}

// Take takes a permit for an action. It counts for a user, an address or an account, which name identifies. It fails
// open: when Redis does not answer, the action is allowed.
func (l *Limiter) Take(ctx context.Context, action, name string) Decision {
	rate, limited := l.rates[action]
	if !limited {
		return Decision{Allowed: true}
	}
	subject := l.subject(action, name)
	tally := l.tally(subject)
	tally.mu.Lock()
	defer tally.mu.Unlock() // held while Redis is asked: its answer decides the actions that wait, too
	now := l.now()
	decision, settle := tally.decide(rate, now)
	if settle {
		answer := l.acquire(ctx, action, subject, rate, tally.unsettled+1)
		if answer == nil {
			l.metrics.unchecked.Inc()
			return Decision{Allowed: true}
		}
		decision = tally.settle(rate, now, answer)
	}
	if !decision.Allowed {
		l.metrics.refused.WithLabelValues(action).Inc()
	}
	return decision
}

func (l *Limiter) subject(action, name string) subject {
	var space [128]byte
	text := append(space[:0], l.secret...)
	text = append(append(text, action...), 0)
	sum := sha256.Sum256(append(text, name...))
	return subject(sum[:])
}

func (l *Limiter) tally(s subject) *tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.tallies.Get(s)
	if !ok {
		known = &tally{}
		l.tallies.Add(s, known)
	}
	return known
}

// acquire takes permits in Redis, all or none; nil when Redis is unavailable.
func (l *Limiter) acquire(ctx context.Context, action string, s subject, rate Rate, permits int) *redis_rate.Result {
	// A client that disconnects says nothing about Redis.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redisTimeout)
	defer cancel()
	limit := redis_rate.Limit{Rate: rate.Count, Burst: rate.Count, Period: rate.Unit}
	return l.breaker.ask(func() (*redis_rate.Result, error) { return l.counts.AllowN(ctx, key(action, s), limit, permits) })
}

// key is the Redis key of a subject.
func key(action string, s subject) string {
	return "ping:limit:" + action + ":" + hex.EncodeToString(s[:])
}

// plainKeys removes the prefix that redis_rate adds to keys: all keys of Ping begin with "ping:".
type plainKeys struct{ redis.UniversalClient }

const ratePrefix = len("rate:")

func (r plainKeys) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return r.UniversalClient.Eval(ctx, script, []string{keys[0][ratePrefix:]}, args...)
}

func (r plainKeys) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	return r.UniversalClient.EvalSha(ctx, sha1, []string{keys[0][ratePrefix:]}, args...)
}
