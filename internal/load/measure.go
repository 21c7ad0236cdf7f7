package load

import (
	"runtime"
	"syscall"
	"time"
)

// measure takes down what the sending has cost.
func (r *run) measure() {
	f, s, h := &r.figures, r.sending, r.sockets
	begun := s.begun.Load()
	f.Seconds = float64(s.ended.Load()-begun) / 1e9
	f.Accepted, f.Refused, f.Unknown = s.acked.Load(), s.refused.Load(), s.unknown.Load()
	if f.Seconds > 0 {
		f.AcceptedPerSecond = float64(f.Accepted) / f.Seconds
	} else {
		f.Seconds = 0
	}
	f.Deliveries = h.deliveries.Load()
	if last := h.last.Load(); last > begun {
		h.mu.Lock()
		f.DeliveriesPerSecond = float64(f.Deliveries-h.slow.deliveries) / (float64(last-begun) / 1e9)
		h.mu.Unlock()
	}
	if reads := h.reads.Load(); reads > 0 {
		f.EventsPerRead = float64(h.events.Load()) / float64(reads)
	}
	h.mu.Lock()
	h.looked = 0
	h.settleArrivals(r.clock.now())
	h.mu.Unlock()
	if s.mix != nil {
		f.Mix, f.Actions = r.cfg.Mix, s.mix.figures(f.Seconds)
	}
	f.Ack, f.EndToEnd = s.latency.figures(), h.latency.figures()
	if r.cfg.Rate > 0 {
		late := s.lateness.figures()
		f.Lateness = &late
	}
	if r.cfg.Slow > 0 {
		f.Slow = h.slowFigures()
	}
	if r.cfg.Storm {
		f.Storm = h.storm.figures()
	}
	f.Servers = r.servers.figures()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	f.Tool = ProcessFigures{
		Name: "ping load", Processes: 1, CPUSeconds: (ownCPU() - r.toolCPU).Seconds(),
		MemoryMB: float64(memory.Sys-memory.HeapReleased) / (1 << 20),
	}
}

// ownCPU is what this process has used of the CPUs.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
