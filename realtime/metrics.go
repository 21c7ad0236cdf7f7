package realtime

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/transport"
	"ping/realtime/contract"
	"ping/realtime/protocol"
)

// metrics are the metrics of a hub and its sockets, as a prometheus.Collector.
type metrics struct {
	refused      *prometheus.CounterVec
	closes       *prometheus.CounterVec
	errors       *prometheus.CounterVec
	dropped      *prometheus.CounterVec
	events       prometheus.Counter
	writes       prometheus.Counter
	replayed     prometheus.Counter
	gaps         prometheus.Counter
	startSeconds prometheus.Histogram
	all          []prometheus.Collector
}

func newMetrics(sockets *registry, a *admission) *metrics {
	m := &metrics{}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		m.all = append(m.all, c)
		return c
	}
	gauge := func(name, help string, value func() float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("ping_streams", "Open sockets of this node.", func() float64 { return float64(sockets.len()) })
	gauge("ping_streams_starting", "Sockets that start or replay.", func() float64 { return float64(a.active.Load()) })
	gauge("ping_streams_waiting", "Sockets that wait for admission to start.", func() float64 { return float64(a.waiting.Load()) })
	m.refused = counters("ping_stream_refusals_total", "Requests for a socket that were refused before the upgrade.", "code")
	m.closes = counters("ping_stream_closes_total", "Sockets that ended, by close code; client: closed by the client; none: the connection broke.", "code")
	m.errors = counters("ping_stream_errors_total", "Client frames that were answered by an error frame.", "code")
	m.dropped = counters("ping_stream_dropped_total", "Frames that were dropped because the client reads slowly; never events.", "type")
	m.events = counter("ping_stream_events_total", "Live events sent to sockets, counted per socket.")
	m.writes = counter("ping_stream_writes_total", "Writes to sockets that carried live events.")
	m.replayed = counter("ping_stream_events_replayed_total", "Events replayed to sockets that resumed.")
	m.gaps = counter("ping_stream_gaps_total", "Gap frames sent instead of events.")
	m.startSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "ping_stream_start_seconds", Help: "Time from the first frame of a client, or the end of the wait for it, to live delivery.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
	})
	m.all = append(m.all, m.startSeconds)
	m.beginAtZero()
	return m
}

// beginAtZero exports every code before its first occurrence, so that the first
// occurrence is an increase.
func (m *metrics) beginAtZero() {
	for _, why := range contract.UpgradeRefusals {
		m.refused.WithLabelValues(why.Code)
	}
	for _, why := range protocol.Refusals {
		m.errors.WithLabelValues(why.Code)
	}
	for code := range protocol.CloseReasons {
		m.closes.WithLabelValues(labelOf(int(code)))
	}
	m.closes.WithLabelValues(labelOf(transport.ClosedByClient))
	m.closes.WithLabelValues(labelOf(transport.ConnectionLost))
	for _, typ := range []string{"typing", "presence"} {
		m.dropped.WithLabelValues(typ)
	}
}

func labelOf(code int) string {
	switch code {
	case transport.ConnectionLost:
		return "none"
	case transport.ClosedByClient:
		return "client"
	}
	return strconv.Itoa(code)
}

// closed counts the end of a socket.
func (m *metrics) closed(code int) { m.closes.WithLabelValues(labelOf(code)).Inc() }

// refuse counts a request that was refused before the upgrade.
func (m *metrics) refuse(err error) {
	code := "internal"
	if refusal := (*domain.Error)(nil); errors.As(err, &refusal) {
		code = refusal.Code
	}
	m.refused.WithLabelValues(code).Inc()
}

// drop counts a frame of typing or presence that a slow client was not sent.
func (m *metrics) drop(kind ephemeral.Kind) {
	typ := "typing"
	if kind == ephemeral.KindPresence {
		typ = "presence"
	}
	m.dropped.WithLabelValues(typ).Inc()
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
