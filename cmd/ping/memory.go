package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// mostPercent is how much garbage, in hundredths of the live memory, is
	// let lie at most. A node's live memory is small beside what it allocates:
	// collecting at five times of it, not twice, gave a sixth more messages on
	// two cores.
	mostPercent = 400
	// mostGarbage bounds the same in bytes, down to as much as is live: what
	// that sixth cost with 50 MB live, it need not cost with 500.
	mostGarbage = 256 << 20
	// quiet is how little is allocated in a second when nobody does anything.
	quiet = 2 << 20
	// quietSeconds of it in a row end a busy time.
	quietSeconds = 5
	// worthwhile is how much was allocated since the last time when giving
	// memory back is worth a collection.
	worthwhile = 32 << 20
)

// memory decides how much garbage the process holds: while it works, enough
// for collections to be rare; when a busy time has ended, such as many clients
// connecting at once, none. Go by itself would keep what it once had.
type memory struct {
	allocated uint64 // in all, a second ago
	returned  uint64 // in all, when memory was given back the last time
	seconds   int    // that have been quiet
}

// step takes each second's figures and returns GOGC's percentage, and whether
// to give memory back now.
func (m *memory) step(live, allocated uint64) (percent int, giveBack bool) {
	if allocated-m.allocated > quiet {
		m.seconds = 0
	} else {
		m.seconds++
	}
	m.allocated = allocated
	if m.seconds == quietSeconds && allocated-m.returned > worthwhile {
		m.returned, giveBack = allocated, true
	}
	return int(max(100, min(mostPercent, 100*mostGarbage/max(live, 1)))), giveBack
}

// keepMemory acts on step until ctx ends. Who has set GOGC has decided.
func keepMemory(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		<-ctx.Done()
		return ctx.Err()
	}
	var m memory
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	now := mostPercent
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-second.C:
		}
		metrics.Read(samples)
		percent, giveBack := m.step(samples[0].Value.Uint64(), samples[1].Value.Uint64())
		if 10*max(percent-now, now-percent) > now { // setting it stops the world
			debug.SetGCPercent(percent)
			now = percent
		}
		if giveBack {
			debug.FreeOSMemory()
		}
	}
}
