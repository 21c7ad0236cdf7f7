package limits

import (
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// refusalLife bounds how long a refusal is repeated without asking Redis.
const refusalLife = time.Second

// tally is what a node knows of one subject's limit.
type tally struct {
	mu           sync.Mutex
	unsettled    int       // permits used that Redis has not counted: fewer than a batch
	fullAt       time.Time // when all permits are available, according to Redis
	retryAt      time.Time // after a refusal: when a permit is available
	refusedUntil time.Time // until then, refusals need no answer of Redis
}

// decide decides without Redis; settle is true when it cannot.
func (t *tally) decide(rate Rate, now time.Time) (d Decision, settle bool) {
	switch {
	case now.Before(t.refusedUntil):
		return t.refusal(rate, now), false
	case t.unsettled+1 < rate.batch():
		t.unsettled++
		return t.permit(rate, now), false
	}
	return Decision{}, true
}

// settle decides by the answer of Redis to a request for all unsettled permits and one more.
func (t *tally) settle(rate Rate, now time.Time, answer *redis_rate.Result) Decision {
	t.fullAt = now.Add(answer.ResetAfter)
	if answer.Allowed == 0 {
		t.retryAt = now.Add(max(answer.RetryAfter, time.Millisecond))
		t.refusedUntil = now.Add(min(t.retryAt.Sub(now), refusalLife))
		return t.refusal(rate, now)
	}
	t.unsettled = 0
	return t.permit(rate, now)
}

func (t *tally) permit(rate Rate, now time.Time) Decision {
	d := Decision{Allowed: true, Rate: rate, Reset: t.reset(rate, now)}
	// A hundredth of a permit compensates for the rounding of Redis's clock.
	used := (d.Reset + rate.interval()*99/100) / rate.interval()
	d.Remaining = max(0, rate.Count-int(used))
	return d
}

func (t *tally) refusal(rate Rate, now time.Time) Decision {
	return Decision{Rate: rate, Reset: t.reset(rate, now), RetryAfter: t.retryAt.Sub(now)}
}

func (t *tally) reset(rate Rate, now time.Time) time.Duration {
	return max(0, t.fullAt.Sub(now)) + time.Duration(t.unsettled)*rate.interval()
}
