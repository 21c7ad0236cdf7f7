package node

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// MaxGCPercent is the greatest GOGC. A node's live memory is small compared
	// with what it allocates: a heap of five times the live memory, instead of
	// twice, gave a sixth more messages per second on two cores.
	MaxGCPercent = 400
	// maxGarbage bounds the garbage in bytes, but not below the live memory. With
	// 500 MB live, the gain is not worth four times as much garbage.
	maxGarbage = 256 << 20
	// quiet is the most that an idle node allocates per second.
	quiet = 2 << 20
	// quietSeconds is how many quiet seconds in a row end a busy period.
	quietSeconds = 5
	// worthwhile is how much must have been allocated since memory was last
	// returned, for another return to be worth a collection.
	worthwhile = 32 << 20
)

// memory decides how much garbage the process holds: enough for collections to
// be rare while it works, and none once a busy period has ended, such as many
// clients connecting at once. Go alone would keep the memory for long.
type memory struct {
	allocated uint64 // in total, a second ago
	returned  uint64 // allocated in total when memory was last returned
	seconds   int    // quiet seconds so far
}

// step takes the figures of each second and returns the value for GOGC, and
// whether to return memory now.
func (m *memory) step(live, allocated uint64) (percent int, release bool) {
	if allocated-m.allocated > quiet {
		m.seconds = 0
	} else {
		m.seconds++
	}
	m.allocated = allocated
	if m.seconds == quietSeconds && allocated-m.returned > worthwhile {
		m.returned, release = allocated, true
	}
	return int(max(100, min(MaxGCPercent, 100*maxGarbage/max(live, 1)))), release
}

// keepMemory acts on step until ctx ends. It leaves a GOGC that the operator has
// set.
func keepMemory(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		<-ctx.Done()
		return ctx.Err()
	}
	var m memory
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	now := MaxGCPercent
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-second.C:
		}
		metrics.Read(samples)
		percent, release := m.step(samples[0].Value.Uint64(), samples[1].Value.Uint64())
		if 10*max(percent-now, now-percent) > now { // setting it stops the world
			debug.SetGCPercent(percent)
			now = percent
		}
		if release {
			debug.FreeOSMemory()
		}
	}
}
