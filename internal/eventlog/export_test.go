package eventlog

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Waiting returns how many commands wait for a lane.
func (l *Log) Waiting() (n int) {
	for _, ln := range l.writer.lanes {
		n += len(ln.queue)
	}
	return n
}

// Refused returns how many appends were refused and decided again.
func (l *Log) Refused() int { return value(l.metrics.refused) }

// TailSources returns how many older events tails read from JetStream and from
// Postgres.
func (l *Log) TailSources() (mirror, postgres int) {
	return value(l.metrics.tailMirror), value(l.metrics.tailPostgres)
}

// StateBytes returns how many bytes of states are cached.
func (l *Log) StateBytes() int { return value(l.metrics.stateBytes) }

// StateEvents returns how many events were read from the log for states.
func (l *Log) StateEvents() int { return value(l.metrics.stateEvents) }

// StatesEvicted returns how many states were evicted from the cache.
func (l *Log) StatesEvicted() int { return value(l.metrics.statesEvicted) }

// value reads a counter or a gauge.
func value(c prometheus.Metric) int {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		panic(err)
	}
	return int(m.GetCounter().GetValue() + m.GetGauge().GetValue())
}

// Appends returns how many append transactions were accepted.
func (l *Log) Appends() int {
	var m dto.Metric
	if err := l.metrics.batchCommands.Write(&m); err != nil {
		panic(err)
	}
	return int(m.GetHistogram().GetSampleCount())
}

// Lanes returns how many lanes this node has.
func (l *Log) Lanes() int { return len(l.writer.lanes) }

// LookupQuery is a query about the log's past, arguments to explain it with, and the
// index that it must use.
type LookupQuery struct{ SQL, Arguments, Index string }

// LookupQueries are the queries whose cost must not grow with the log.
func LookupQueries() map[string]LookupQuery {
	const message, user, stream = `md5('m7')::uuid`, `md5('u7')::uuid`, `md5('c7')::uuid`
	return map[string]LookupQuery{
		"a message":     {readMessageSQL, message + `, ` + stream, "events_message"},
		"a reaction":    {readReactionsSQL, message + `, ` + user + `, '👍', 500`, "events_reaction"},
		"a read marker": {readMarkerSQL, stream + `, ` + user, "events_read"},
		"a block":       {readBlockSQL, user + `, md5('u8')::uuid`, "events_block"},
		"memberships":   {readJoinedSQL, user + `, '00000000-0000-0000-0000-000000000000'::uuid, 100`, "events_joined"},
	}
}
