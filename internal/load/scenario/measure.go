package scenario

import "ping/internal/load/measure"

// measure takes down what the sending has cost.
func (r *run) measure() {
	f, s, in := &r.figures, r.sending, r.received
	begun := s.begun.Load()
	f.Seconds = float64(s.ended.Load()-begun) / 1e9
	f.Accepted, f.Refused, f.Unknown = s.acked.Load(), s.refused.Load(), s.unknown.Load()
	if f.Seconds > 0 {
		f.AcceptedPerSecond = float64(f.Accepted) / f.Seconds
	} else {
		f.Seconds = 0
	}
	f.Deliveries = in.deliveries.Load()
	if reads := r.sockets.Reads.Load(); reads > 0 {
		f.EventsPerRead = float64(in.events.Load()) / float64(reads)
	}
	r.sockets.Exclusive(func() {
		if last := in.last.Load(); last > begun {
			f.DeliveriesPerSecond = float64(f.Deliveries-in.slow.deliveries) / (float64(last-begun) / 1e9)
		}
		f.EndToEnd = in.latency.Figures(r.clock.Now())
		if r.cfg.Slow > 0 {
			f.Slow = in.slow.figures()
		}
	})
	f.Ack = s.latency.Figures()
	if s.mix != nil {
		f.Mix, f.Actions = r.cfg.Mix, s.mix.figures(f.Seconds)
	}
	if r.cfg.Rate > 0 {
		late := s.lateness.Figures()
		f.Lateness = &late
	}
	if r.cfg.Storm {
		f.Storm = in.storm.figures()
	}
	f.Servers = r.servers.Figures()
	f.Tool = measure.Tool(r.toolCPU)
}
