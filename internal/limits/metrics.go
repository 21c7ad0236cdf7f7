package limits

import "github.com/prometheus/client_golang/prometheus"

// metrics are exported by the Limiter, which is a prometheus.Collector.
type metrics struct {
	refused   *prometheus.CounterVec
	unchecked prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ping_limits_refused_total", Help: "Actions that this node refused because they exceeded a rate limit.",
		}, []string{"action"}),
		unchecked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ping_limits_unchecked_total", Help: "Actions that this node allowed uncounted because Redis was unavailable.",
		}),
	}
}

// Describe implements prometheus.Collector.
func (l *Limiter) Describe(ch chan<- *prometheus.Desc) {
	l.metrics.refused.Describe(ch)
	l.metrics.unchecked.Describe(ch)
}

// Collect implements prometheus.Collector.
func (l *Limiter) Collect(ch chan<- prometheus.Metric) {
	l.metrics.refused.Collect(ch)
	l.metrics.unchecked.Collect(ch)
}
