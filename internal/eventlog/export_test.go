package eventlog

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Waiting returns how many commands wait for a lane.
func (l *Log) Waiting() (n int) {
	for _, ln := range l.lanes {
		n += len(ln.queue)
	}
	return n
}

// Refused returns how many appends had to be decided again.
func (l *Log) Refused() int { return value(l.metrics.refused) }

// TailSources returns how many older events tails took from JetStream and from
// Postgres.
func (l *Log) TailSources() (mirror, postgres int) {
	return value(l.metrics.tailMirror), value(l.metrics.tailPostgres)
}

func value(c prometheus.Counter) int {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		panic(err)
	}
	return int(m.GetCounter().GetValue())
}

// Appends returns how many append transactions were accepted.
func (l *Log) Appends() int {
	var m dto.Metric
	if err := l.metrics.batchCommands.Write(&m); err != nil {
		panic(err)
	}
	return int(m.GetHistogram().GetSampleCount())
}

// Lanes returns how many lanes there are.
func (l *Log) Lanes() int { return len(l.lanes) }
