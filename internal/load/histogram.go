package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// histogram counts durations from 1 µs to 10 minutes with three significant
// digits. It may be used from several goroutines.
type histogram struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

const longest = 10 * time.Minute

func newHistogram() *histogram {
	return &histogram{h: hdrhistogram.New(1, longest.Microseconds(), 3)}
}

// record counts a duration in nanoseconds. What is beyond the range counts as
// its end: a figure at the end of the range is still told, never dropped.
func (h *histogram) record(ns int64) {
	us := min(max(ns/1000, 1), longest.Microseconds())
	h.mu.Lock()
	_ = h.h.RecordValue(us) // in range, so it cannot be refused
	h.mu.Unlock()
}

// Latency are a histogram's figures in milliseconds.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func (h *histogram) figures() Latency {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.h.TotalCount() == 0 {
		return Latency{}
	}
	at := func(q float64) float64 { return float64(h.h.ValueAtQuantile(q)) / 1000 }
	return Latency{P50: at(50), P90: at(90), P99: at(99), Max: float64(h.h.Max()) / 1000}
}
