package limits

import (
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// refusalLife is for how long at most a refusal is believed without asking.
const refusalLife = time.Second

// tally is what a node knows of one subject's limit.
type tally struct {
	mu      sync.Mutex
	unpaid  int       // permits used and not settled: fewer than are settled at once
	whole   time.Time // when, by what was settled, all permits are there again
	retry   time.Time // after a refusal: when there is a permit again
	refused time.Time // until when the refusal is believed
}

// decide decides without Redis; settle is true when that cannot be.
func (t *tally) decide(rate Rate, now time.Time) (d Decision, settle bool) {
	switch {
	case now.Before(t.refused):
		return t.refusal(rate, now), false
	case t.unpaid+1 < rate.batch():
		t.unpaid++
		return t.permit(rate, now), false
	}
	return Decision{}, true
}

// settled decides by Redis's answer to all that is unpaid and one more.
func (t *tally) settled(rate Rate, now time.Time, answer *redis_rate.Result) Decision {
	t.whole = now.Add(answer.ResetAfter)
	if answer.Allowed == 0 {
		t.retry = now.Add(max(answer.RetryAfter, time.Millisecond))
		t.refused = now.Add(min(t.retry.Sub(now), refusalLife))
		return t.refusal(rate, now)
	}
	t.unpaid = 0
	return t.permit(rate, now)
}

func (t *tally) permit(rate Rate, now time.Time) Decision {
	d := Decision{Allowed: true, Rate: rate, Reset: t.reset(rate, now)}
	// A hundredth of a permit forgives the rounding of Redis's clock.
	used := (d.Reset + rate.interval()*99/100) / rate.interval()
	d.Remaining = max(0, rate.Count-int(used))
	return d
}

func (t *tally) refusal(rate Rate, now time.Time) Decision {
	return Decision{Rate: rate, Reset: t.reset(rate, now), RetryAfter: t.retry.Sub(now)}
}

func (t *tally) reset(rate Rate, now time.Time) time.Duration {
	return max(0, t.whole.Sub(now)) + time.Duration(t.unpaid)*rate.interval()
}
