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
	// patience is how long a request waits for Redis before it goes on
	// without having been counted.
	patience = 500 * time.Millisecond
	// maxTallies bounds the subjects that a node remembers: some 3 MB. Of one
	// that is forgotten, what was not settled is forgiven.
	maxTallies = 10_000
)

// Limiter takes permits for actions. It is safe for concurrent use.
type Limiter struct {
	rates  Rates
	secret []byte
	now    func() time.Time // of this node; Redis counts by a clock of its own

	redis  redis.UniversalClient // nil without rates
	counts *redis_rate.Limiter
	outage outage

	mu      sync.Mutex // of tallies
	tallies *simplelru.LRU[subject, *tally]

	metrics *metrics
}

// subject is who has a limit, for what: a keyed hash of both.
type subject [16]byte

// Decision says whether an action may be taken.
type Decision struct {
	Allowed bool
	// Rate is that of the action; zero when nothing was counted, because there
	// is no limit or because Redis is away.
	Rate Rate
	// Remaining permits are left, as far as this node knows.
	Remaining int
	// Reset is the time until all permits are there again.
	Reset time.Duration
	// RetryAfter is the time until a refused action may be taken.
	RetryAfter time.Duration
}

// New counts in the Redis of rdb, over connections of its own, which wait less
// than those of rdb. The secret hides subjects in Redis; all nodes have the
// same. Without rates nothing is limited, and Redis is not asked. Close ends it.
func New(rdb redis.UniversalClient, rates Rates, secret string, logger *slog.Logger) *Limiter {
	l := &Limiter{rates: rates, secret: []byte(secret), now: time.Now, outage: outage{logger: logger}, metrics: newMetrics()}
	if l.Off() {
		return l
	}
	l.redis = hasty(rdb)
	l.counts = redis_rate.NewLimiter(plainKeys{l.redis})
	tallies, err := simplelru.NewLRU[subject, *tally](maxTallies, nil)
	if err != nil {
		panic(err) // the size is good
	}
	l.tallies = tallies
	return l
}

// hasty makes a client of the same Redis that waits for it no longer than
// patience.
func hasty(rdb redis.UniversalClient) redis.UniversalClient {
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		options := *cluster.Options()
		options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = patience, patience, patience, patience
		options.ContextTimeoutEnabled, options.MaxRetries, options.DialerRetries = true, -1, 1
		return redis.NewClusterClient(&options)
	}
	options := *rdb.(*redis.Client).Options()
	options.Dialer, options.PushNotificationProcessor = nil, nil // those of rdb; it makes its own
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = patience, patience, patience, patience
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

// Take takes a permit for an action from the limit of whom it counts for: a
// user, an address or an account. It fails open: when Redis does not answer,
// the action is allowed.
func (l *Limiter) Take(ctx context.Context, action, whom string) Decision {
	rate, limited := l.rates[action]
	if !limited {
		return Decision{Allowed: true}
	}
	who := l.subject(action, whom)
	tally := l.tally(who)
	tally.mu.Lock()
	defer tally.mu.Unlock() // held while Redis is asked: what waits for it is decided by its answer
	now := l.now()
	decision, settle := tally.decide(rate, now)
	if settle {
		answer := l.ask(ctx, action, who, rate, tally.unpaid+1, now)
		if answer == nil {
			l.metrics.unchecked.Inc()
			return Decision{Allowed: true}
		}
		decision = tally.settled(rate, now, answer)
	}
	if !decision.Allowed {
		l.metrics.refused.WithLabelValues(action).Inc()
	}
	return decision
}

// subject hashes who has a limit.
func (l *Limiter) subject(action, whom string) subject {
	var space [128]byte
	text := append(space[:0], l.secret...)
	text = append(append(text, action...), 0)
	sum := sha256.Sum256(append(text, whom...))
	return subject(sum[:])
}

func (l *Limiter) tally(who subject) *tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.tallies.Get(who)
	if !ok {
		known = &tally{}
		l.tallies.Add(who, known)
	}
	return known
}

// ask takes permits in Redis, all or none; nil when it is away.
func (l *Limiter) ask(ctx context.Context, action string, who subject, rate Rate, permits int, now time.Time) *redis_rate.Result {
	ask, probe := l.outage.mayAsk(now)
	if !ask {
		return nil
	}
	// A client that goes away says nothing about Redis.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	limit := redis_rate.Limit{Rate: rate.Count, Burst: rate.Count, Period: rate.Unit}
	answer, err := l.counts.AllowN(ctx, key(action, who), limit, permits)
	if err != nil {
		l.outage.failed(l.now(), err)
		return nil
	}
	if probe {
		l.outage.ended()
	}
	return answer
}

// key is where Redis counts.
func key(action string, who subject) string {
	return "ping:limit:" + action + ":" + hex.EncodeToString(who[:])
}

// plainKeys is Redis for redis_rate, without the prefix that it gives to keys:
// all that Ping has in Redis begins with "ping:".
type plainKeys struct{ redis.UniversalClient }

const ratePrefix = len("rate:")

func (r plainKeys) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return r.UniversalClient.Eval(ctx, script, []string{keys[0][ratePrefix:]}, args...)
}

func (r plainKeys) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	return r.UniversalClient.EvalSha(ctx, sha1, []string{keys[0][ratePrefix:]}, args...)
}
