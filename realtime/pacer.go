package realtime

import (
	"context"
	"runtime"
	"sync"
	"time"

	"ping/internal/wait"
)

// pacer makes writes larger when there are too many of them. A write costs the same
// for one frame as for ten, on both sides. So when the partitions together write for
// more than a share of the time, each waits a little between runs, and more frames
// share a write. A node that is not busy never waits. With 50 rooms of 10 and as many
// messages as two cores take, this halves the cost per delivery and raises the number
// of messages by half.
type pacer struct {
	cores  float64
	mu     sync.Mutex
	earned time.Time // when the writing so far will have been its share of the time
}

const (
	// pacedShare is the share of all cores' time for writing without waits.
	pacedShare = 0.2
	// pacedBurst is how much may be written ahead.
	pacedBurst = 5 * time.Millisecond
	// pacedMost bounds one wait, and so the latency that pacing adds.
	pacedMost = 20 * time.Millisecond
	// pacedFrames is the sufficient number of frames per write. With 16 instead of 4,
	// a room of 500 receives an eighth more deliveries per second at the same latency;
	// 64 gains nothing more.
	pacedFrames = 16
)

func newPacer() *pacer { return &pacer{cores: float64(runtime.GOMAXPROCS(0))} }

// pace counts the time of a run, and waits if recent runs took too much.
func (p *pacer) pace(ctx context.Context, took time.Duration, writes, frames int) {
	p.mu.Lock()
	now := time.Now()
	if p.earned.Before(now) {
		p.earned = now
	}
	p.earned = p.earned.Add(time.Duration(float64(took) / (pacedShare * p.cores)))
	if most := now.Add(pacedBurst + pacedMost); p.earned.After(most) {
		p.earned = most // the excess is dropped: one wait is enough
	}
	delay := p.earned.Sub(now) - pacedBurst
	p.mu.Unlock()
	if delay <= 0 || frames >= pacedFrames*writes {
		return
	}
	wait.Sleep(ctx, delay)
}
