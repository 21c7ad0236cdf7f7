package limits

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/sony/gobreaker/v2"
)

// outagePause is the time between two probes of a Redis that failed.
const outagePause = time.Second

// breaker opens when Redis fails once, so that requests do not wait for it, and closes when a probe succeeds.
type breaker struct {
	*gobreaker.CircuitBreaker[*redis_rate.Result]
	cause atomic.Pointer[error] // of the last failure
}

func newBreaker(logger *slog.Logger) *breaker {
	b := &breaker{}
	b.CircuitBreaker = gobreaker.NewCircuitBreaker[*redis_rate.Result](gobreaker.Settings{
		MaxRequests: 1, // one probe at a time
		Timeout:     outagePause,
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures > 0 },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case from == gobreaker.StateClosed:
				logger.Warn("redis unavailable; rate limits suspended", "error", *b.cause.Load())
			case to == gobreaker.StateClosed:
				logger.Info("redis available; rate limits enforced")
			}
		},
	})
	return b
}

// ask returns the answer of Redis; nil while it is unavailable.
func (b *breaker) ask(request func() (*redis_rate.Result, error)) *redis_rate.Result {
	answer, err := b.Execute(func() (*redis_rate.Result, error) {
		answer, err := request()
		if err != nil {
			b.cause.Store(&err)
		}
		return answer, err
	})
	if err != nil {
		return nil
	}
	return answer
}
