package limits

import "github.com/prometheus/client_golang/prometheus"

// metrics are the limiter's own; a Limiter is a prometheus.Collector of them.
type metrics struct {
	refused   *prometheus.CounterVec
	unchecked prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ping_limits_refused_total", Help: "Actions that this node refused because they were taken too often.",
		}, []string{"action"}),
		unchecked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ping_limits_unchecked_total", Help: "Actions that this node allowed because Redis was away.",
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
