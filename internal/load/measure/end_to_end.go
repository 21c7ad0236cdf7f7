package measure

import (
	"sync/atomic"
	"time"
)

// EndToEnd records how long deliveries took. Record and Settle are used by one
// goroutine at a time.
type EndToEnd struct {
	latency *Histogram
	waiting []arrival
	checked int64 // when waiting was last checked
}

// arrival is a delivery that arrived before its acknowledgement did, so that
// the start of its sending is not known yet.
type arrival struct {
	start *atomic.Int64
	at    int64
}

// NewEndToEnd returns one without a delivery.
func NewEndToEnd() *EndToEnd { return &EndToEnd{latency: NewHistogram()} }

// Record records a delivery at now of a message whose sending began at start,
// which is 0 until that is known.
func (e *EndToEnd) Record(start *atomic.Int64, now int64) {
	if began := start.Load(); began != 0 {
		e.latency.Record(now - began)
	} else {
		e.waiting = append(e.waiting, arrival{start, now})
	}
}

// checkEvery is how often arrivals without a start are checked.
const checkEvery = int64(time.Millisecond)

// Settle records the arrivals whose start is known by now.
func (e *EndToEnd) Settle(now int64) {
	if len(e.waiting) == 0 || now-e.checked < checkEvery {
		return
	}
	e.checked = now
	left := e.waiting[:0]
	for _, a := range e.waiting {
		if began := a.start.Load(); began != 0 {
			e.latency.Record(a.at - began)
		} else {
			left = append(left, a)
		}
	}
	e.waiting = left
}

// Figures returns what was recorded, all arrivals settled.
func (e *EndToEnd) Figures(now int64) Latency {
	e.checked = 0
	e.Settle(now)
	return e.latency.Figures()
}
