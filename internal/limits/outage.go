package limits

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// outagePause is the time between two probes of a Redis that failed.
const outagePause = time.Second

// outage remembers that Redis is unavailable, so that requests do not wait for it.
type outage struct {
	logger *slog.Logger
	// nextProbe is in Unix nanoseconds; 0 while Redis answers.
	nextProbe atomic.Int64
}

// mayAsk reports whether to ask Redis. During an outage one request per pause may, as a probe: its answer ends the
// outage.
func (o *outage) mayAsk(now time.Time) (ask, probe bool) {
	next := o.nextProbe.Load()
	if next == 0 {
		return true, false
	}
	probe = now.UnixNano() >= next && o.nextProbe.CompareAndSwap(next, now.Add(outagePause).UnixNano())
	return probe, probe
}

func (o *outage) failed(now time.Time, err error) {
	if o.nextProbe.Swap(now.Add(outagePause).UnixNano()) == 0 {
		o.logger.Warn("redis unavailable; rate limits suspended", "error", err)
	}
}

func (o *outage) ended() {
	o.nextProbe.Store(0)
	o.logger.Info("redis available; rate limits enforced")
}
