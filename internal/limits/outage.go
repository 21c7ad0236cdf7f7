package limits

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// outagePause is how long Redis is left alone after it has failed.
const outagePause = time.Second

// outage remembers that Redis is away, so that requests do not wait for it.
type outage struct {
	logger *slog.Logger
	// until is when Redis is asked again, in Unix nanoseconds; 0 while it
	// answers.
	until atomic.Int64
}

// mayAsk reports whether to ask Redis. During an outage one request at a time
// may, as a probe: its answer ends the outage.
func (o *outage) mayAsk(now time.Time) (ask, probe bool) {
	until := o.until.Load()
	if until == 0 {
		return true, false
	}
	probe = now.UnixNano() >= until && o.until.CompareAndSwap(until, now.Add(outagePause).UnixNano())
	return probe, probe
}

func (o *outage) failed(now time.Time, err error) {
	if o.until.Swap(now.Add(outagePause).UnixNano()) == 0 {
		o.logger.Warn("redis does not answer, nothing is limited", "error", err)
	}
}

func (o *outage) ended() {
	o.until.Store(0)
	o.logger.Info("redis answers, limits are kept again")
}
