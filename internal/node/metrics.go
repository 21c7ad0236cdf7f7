package node

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newMetricsRegistry collects the metrics of all parts of a node and of the
// process.
func (n *Node) newMetricsRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	registry.MustRegister(
		n.log, n.runner, n.limiter, n.hub.Metrics(),
		gauge("ping_database_connections", "Connections to Postgres.", func() float64 { return float64(n.Pool.Stat().TotalConns()) }),
		gauge("ping_database_connections_in_use", "Connections to Postgres that are in use.", func() float64 { return float64(n.Pool.Stat().AcquiredConns()) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}
