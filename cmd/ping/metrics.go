package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newMetricsRegistry gathers what the parts of a node count, and the process.
func (n *node) newMetricsRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	registry.MustRegister(
		n.log, n.runner, n.limiter, n.hub,
		gauge("ping_database_connections", "Connections to Postgres.", func() float64 { return float64(n.pool.Stat().TotalConns()) }),
		gauge("ping_database_connections_in_use", "Connections to Postgres that are in use.", func() float64 { return float64(n.pool.Stat().AcquiredConns()) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}
