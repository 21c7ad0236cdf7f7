package ephemeral

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// probeEvery is how often an unavailable Redis is probed; other calls are refused,
// so that they do not wait for a Redis that hangs.
const probeEvery = 250 * time.Millisecond

// outage notes which servers are unavailable: all shards together or, in a
// cluster, each shard separately.
type outage struct {
	logger *slog.Logger
	// until is the time of a shard's next probe, in Unix nanoseconds; 0 while it is
	// available.
	until []atomic.Int64
	away  atomic.Int32 // number of them that are not 0
}

func newOutage(cluster bool, logger *slog.Logger) *outage {
	apart := 1
	if cluster {
		apart = Shards
	}
	return &outage{logger: logger, until: make([]atomic.Int64, apart)}
}

func (o *outage) of(shard int) *atomic.Int64 { return &o.until[shard%len(o.until)] }

// here reports whether a shard is unavailable.
func (o *outage) here() bool { return o.away.Load() > 0 }

// mayAsk reports whether a call for a shard may proceed. While the shard is
// unavailable, one at a time may, as a probe.
func (o *outage) mayAsk(shard int) bool {
	until := o.of(shard).Load()
	if until == 0 {
		return true
	}
	now := time.Now()
	return now.UnixNano() >= until && o.of(shard).CompareAndSwap(until, now.Add(probeEvery).UnixNano())
}

// failed notes that a shard is unavailable. The error is logged once per outage; it
// contains no arguments.
func (o *outage) failed(shard int, err error) {
	if o.of(shard).Swap(time.Now().Add(probeEvery).UnixNano()) == 0 && o.away.Add(1) == 1 {
		o.logger.Warn("redis does not answer; stealth messages, typing and presence are unavailable", "error", err)
	}
}

func (o *outage) answered(shard int) {
	if o.of(shard).Load() != 0 && o.of(shard).Swap(0) != 0 && o.away.Add(-1) == 0 {
		o.logger.Info("redis answers; stealth messages, typing and presence are available")
	}
}
