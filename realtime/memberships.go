package realtime

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"ping/domain"
	"ping/internal/eventlog"
)

// memberships has the conversations of a user: those of a partition as of
// positions[partition].
type memberships struct {
	positions []int64
	ends      []int64  // the log's, by partition, when this was read
	sources   []source // the conversations, by partition and id
	own       tip      // of the user's own stream
}

// source is a conversation of a member or former member, or the user's own stream,
// with its version at the cut-off.
type source struct {
	id        domain.ID
	partition int
	own       bool
	spans     membership
	tip       tip
	head      int64
	seen      int64             // the version that the client has
	recent    []*eventlog.Event // all after seen, up to head; nil: they are read from the log
}

// tip is the last event of a stream in the snapshot of the memberships.
type tip struct{ version, position int64 }

// unknownTip is beyond every cut-off, so that the version is read from the log.
var unknownTip = tip{position: math.MaxInt64}

// byPlace orders sources by partition and id.
func byPlace(a, b source) int {
	return cmp.Or(cmp.Compare(a.partition, b.partition), bytes.Compare(a.id[:], b.id[:]))
}

// in returns the conversations in a partition.
func (m *memberships) in(partition int) []source {
	byPartition := func(s source, partition int) int { return cmp.Compare(s.partition, partition) }
	from, _ := slices.BinarySearchFunc(m.sources, partition, byPartition)
	to, _ := slices.BinarySearchFunc(m.sources[from:], partition+1, byPartition)
	return m.sources[from : from+to]
}

// apply applies a change to the memberships of a partition.
func (m *memberships) apply(partition int, c change) {
	m.positions[partition] = c.position
	changed := source{id: c.conversation, partition: partition, tip: unknownTip}
	i, known := slices.BinarySearchFunc(m.sources, changed, byPlace)
	if known {
		m.sources[i].spans = m.sources[i].spans.apply(c)
	} else if changed.spans = changed.spans.apply(c); len(changed.spans) > 0 {
		m.sources = slices.Insert(m.sources, i, changed)
	}
}
