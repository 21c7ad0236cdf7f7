package measure

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram counts durations from 1 µs to 10 minutes with three significant
// digits. It is safe for concurrent use.
type Histogram struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

const maxDuration = 10 * time.Minute

// NewHistogram returns an empty one.
func NewHistogram() *Histogram {
	return &Histogram{h: hdrhistogram.New(1, maxDuration.Microseconds(), 3)}
}

// Record counts a duration in nanoseconds. One beyond the range counts as the
// range's end: it is never dropped.
func (h *Histogram) Record(ns int64) {
	us := min(max(ns/1000, 1), maxDuration.Microseconds())
	h.mu.Lock()
	_ = h.h.RecordValue(us) // in range, so it cannot be refused
	h.mu.Unlock()
}

// Latency is a histogram's figures in milliseconds.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// Figures returns what was recorded so far.
func (h *Histogram) Figures() Latency {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.h.TotalCount() == 0 {
		return Latency{}
	}
	at := func(q float64) float64 { return float64(h.h.ValueAtQuantile(q)) / 1000 }
	return Latency{P50: at(50), P90: at(90), P99: at(99), Max: float64(h.h.Max()) / 1000}
}
