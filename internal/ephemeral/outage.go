package ephemeral

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// askAgain is how long Redis is left alone after it has failed, so that not
// everything waits for one that hangs.
const askAgain = 250 * time.Millisecond

// outage remembers which servers are away: all shards at once, or, in a cluster,
// each shard by itself.
type outage struct {
	logger *slog.Logger
	// until is when a shard is asked again, in Unix nanoseconds; 0 while it
	// answers.
	until []atomic.Int64
	away  atomic.Int32 // how many of them are not 0
}

func newOutage(cluster bool, logger *slog.Logger) *outage {
	apart := 1
	if cluster {
		apart = Shards
	}
	return &outage{logger: logger, until: make([]atomic.Int64, apart)}
}

func (o *outage) of(shard int) *atomic.Int64 { return &o.until[shard%len(o.until)] }

// here reports whether something is away.
func (o *outage) here() bool { return o.away.Load() > 0 }

// mayAsk reports whether to ask for something of a shard. While it is away one
// at a time may, as a probe.
func (o *outage) mayAsk(shard int) bool {
	until := o.of(shard).Load()
	if until == 0 {
		return true
	}
	now := time.Now()
	return now.UnixNano() >= until && o.of(shard).CompareAndSwap(until, now.Add(askAgain).UnixNano())
}

// failed notes that a shard is away. What Redis, or the client, says is logged
// once an outage; it names no arguments.
func (o *outage) failed(shard int, err error) {
	if o.of(shard).Swap(time.Now().Add(askAgain).UnixNano()) == 0 && o.away.Add(1) == 1 {
		o.logger.Warn("redis does not answer, stealth messages, typing and presence are away", "error", err)
	}
}

func (o *outage) answered(shard int) {
	if o.of(shard).Load() != 0 && o.of(shard).Swap(0) != 0 && o.away.Add(-1) == 0 {
		o.logger.Info("redis answers, the ephemeral lane goes on")
	}
}
