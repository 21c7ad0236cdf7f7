package eventlog

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the log's own metrics, as a prometheus.Collector.
type metrics struct {
	appended        prometheus.Counter
	refused         prometheus.Counter
	appendSeconds   prometheus.Histogram
	batchCommands   prometheus.Histogram
	stateBytes      prometheus.Gauge
	statesLoaded    prometheus.Counter
	statesRefreshed prometheus.Counter
	stateEvents     prometheus.Counter
	statesEvicted   prometheus.Counter
	mirrored        prometheus.Counter
	mirrorErrors    prometheus.Counter
	tailMirror      prometheus.Counter
	tailPostgres    prometheus.Counter
	all             []prometheus.Collector
}

func newMetrics() *metrics {
	m := &metrics{}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		m.all = append(m.all, g)
		return g
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		m.all = append(m.all, h)
		return h
	}
	m.appended = counter("ping_log_events_appended_total", "Events that this node appended to the log.")
	m.refused = counter("ping_log_appends_refused_total", "Appends that were refused and decided again: stale decisions and repeated commands.")
	m.appendSeconds = histogram("ping_log_append_seconds", "Time of one append transaction.", prometheus.ExponentialBuckets(0.0002, 2, 14))
	m.batchCommands = histogram("ping_log_append_commands", "Commands in one append transaction.", prometheus.ExponentialBuckets(1, 2, 10))
	m.stateBytes = gauge("ping_log_state_bytes", "Estimated bytes of streams' states kept for decisions.")
	m.statesLoaded = counter("ping_log_states_loaded_total", "States that were not in the cache and were read from the log.")
	m.statesRefreshed = counter("ping_log_states_refreshed_total", "Cached states that were refreshed from the log.")
	m.stateEvents = counter("ping_log_state_events_total", "Decisive events read from the log for states.")
	m.statesEvicted = counter("ping_log_states_evicted_total", "States evicted from the cache to make room for others.")
	m.mirrored = counter("ping_log_events_mirrored_total", "Events that this node published to JetStream.")
	m.mirrorErrors = counter("ping_log_mirror_errors_total", "Publishes to JetStream that failed and are retried.")
	m.tailMirror = counter("ping_log_tail_mirror_events_total", "Older events that readers read from JetStream.")
	m.tailPostgres = counter("ping_log_tail_postgres_events_total", "Older events that readers read from Postgres.")
	return m
}

func (m *metrics) observeAppend(took time.Duration, commands, events int) {
	m.appendSeconds.Observe(took.Seconds())
	m.batchCommands.Observe(float64(commands))
	m.appended.Add(float64(events))
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all {
		c.Collect(ch)
	}
}
