package projections

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the runner's own; a Runner is a prometheus.Collector of them.
type metrics struct {
	applied *prometheus.CounterVec
	parked  *prometheus.CounterVec
	lag     *prometheus.GaugeVec
	seconds *prometheus.HistogramVec
}

func newMetrics() *metrics {
	label := []string{"projection"}
	return &metrics{
		applied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ping_projection_events_applied_total", Help: "Events that this node applied to a projection.",
		}, label),
		parked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ping_projection_events_parked_total", Help: "Events that a projection could not apply and skipped.",
		}, label),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ping_projection_lag_events", Help: "Events that were not applied yet when the last batch started, in the partitions of this node.",
		}, label),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ping_projection_batch_seconds", Help: "Time of one batch's transaction.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2, 14),
		}, label),
	}
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.applied, m.parked, m.lag, m.seconds}
}

// Describe implements prometheus.Collector.
func (r *Runner) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range r.metrics.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (r *Runner) Collect(ch chan<- prometheus.Metric) {
	for _, c := range r.metrics.all() {
		c.Collect(ch)
	}
}
