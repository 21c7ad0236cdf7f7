package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
)

const appendSQL = `
SELECT bases, times, versions, conflicts, repeats
  FROM log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`

// appendAnswer is what log.append returns.
type appendAnswer struct {
	Bases    []int64     // per partition: the position before the append
	Times    []time.Time // per partition: recorded_at
	Versions []int64     // per stream: the version before the append
	// Conflicts are the streams whose guards have moved on, when the append was
	// refused. No code reads them: stateCache.withdraw expires the states of all
	// streams of the plan.
	Conflicts []domain.ID
	Repeats   bool // refused: some command happened before
}

func (a *appendAnswer) refused() bool { return a.Bases == nil }

// append runs the plan as one transaction.
func (p *plan) append(ctx context.Context, pool *pgxpool.Pool) (*appendAnswer, error) {
	var a appendAnswer
	err := pool.QueryRow(ctx, appendSQL, p.arguments().list()...).
		Scan(&a.Bases, &a.Times, &a.Versions, &a.Conflicts, &a.Repeats)
	if err != nil {
		return nil, fmt.Errorf("append %d events: %w", p.size, err)
	}
	return &a, nil
}

// arguments lays the plan out for log.append.
func (p *plan) arguments() *appendArgs {
	args := newAppendArgs(len(p.streams), p.size)
	index := make([]int32, len(p.byPartition)) // of a partition among the arguments, from 1
	for partition, share := range p.byPartition {
		if len(share) > 0 {
			index[partition] = args.addPartition(partition, len(share))
		}
	}
	for _, s := range p.streams {
		args.addStream(s, index[s.partition])
	}
	for partition, share := range p.byPartition {
		for i, e := range share {
			args.addEvent(e, index[partition], i+1)
		}
	}
	return args
}

// appendArgs are the arguments of log.append, in its order: an array per column
// of its partitions, its streams and its events.
type appendArgs struct {
	partitions []int16
	counts     []int32

	streams struct {
		ids                              []domain.ID
		partitions, counts, guards, last []int32
		known                            []int64
	}

	events struct {
		partitions, places, streams, offsets []int32
		ids                                  []domain.ID
		types                                []string
		schemas                              []int16
		decisive                             []bool
		actors, commands                     []domain.ID
		ordinals, sizes                      []int16
		fingerprints                         []int64
		correlations, causations             []*domain.ID // nil: none
		payloads                             [][]byte
	}
}

func newAppendArgs(streams, events int) *appendArgs {
	a := &appendArgs{}
	s, e := &a.streams, &a.events
	s.ids, s.known = make([]domain.ID, 0, streams), make([]int64, 0, streams)
	for _, column := range []*[]int32{&s.partitions, &s.counts, &s.guards, &s.last} {
		*column = make([]int32, 0, streams)
	}
	for _, column := range []*[]int32{&e.partitions, &e.places, &e.streams, &e.offsets} {
		*column = make([]int32, 0, events)
	}
	for _, column := range []*[]domain.ID{&e.ids, &e.actors, &e.commands} {
		*column = make([]domain.ID, 0, events)
	}
	e.correlations, e.causations = make([]*domain.ID, 0, events), make([]*domain.ID, 0, events)
	for _, column := range []*[]int16{&e.schemas, &e.ordinals, &e.sizes} {
		*column = make([]int16, 0, events)
	}
	e.types, e.decisive = make([]string, 0, events), make([]bool, 0, events)
	e.fingerprints, e.payloads = make([]int64, 0, events), make([][]byte, 0, events)
	return a
}

// addPartition adds a partition and returns its index, from 1. Partitions must
// be added in ascending order: log.append locks them in that order.
func (a *appendArgs) addPartition(partition, count int) (index int32) {
	a.partitions, a.counts = append(a.partitions, int16(partition)), append(a.counts, int32(count))
	return int32(len(a.partitions))
}

func (a *appendArgs) addStream(planned *plannedStream, partition int32) {
	s := &a.streams
	s.ids, s.partitions = append(s.ids, planned.id), append(s.partitions, partition)
	s.known, s.counts = append(s.known, planned.known), append(s.counts, int32(planned.count))
	s.guards, s.last = append(s.guards, int32(planned.guard)), append(s.last, int32(planned.last))
}

// addEvent adds the event at a place of its partition's share, from 1.
func (a *appendArgs) addEvent(planned *planned, partition int32, place int) {
	e := &a.events
	e.partitions, e.places = append(e.partitions, partition), append(e.places, int32(place))
	e.streams, e.offsets = append(e.streams, int32(planned.stream+1)), append(e.offsets, int32(planned.offset))
	e.ids, e.types = append(e.ids, planned.ID), append(e.types, planned.Type)
	e.schemas, e.decisive = append(e.schemas, int16(planned.Schema)), append(e.decisive, planned.decisive)
	e.actors, e.commands = append(e.actors, planned.Actor), append(e.commands, planned.CommandID)
	e.ordinals, e.sizes = append(e.ordinals, int16(planned.ordinal)), append(e.sizes, int16(planned.commandSize))
	e.fingerprints, e.payloads = append(e.fingerprints, planned.fingerprint), append(e.payloads, planned.Payload)
	e.correlations = append(e.correlations, nullable(&planned.CorrelationID))
	e.causations = append(e.causations, nullable(&planned.CausationID))
}

// list returns the arguments in the order of log.append's parameters.
func (a *appendArgs) list() []any {
	s, e := &a.streams, &a.events
	return []any{
		a.partitions, a.counts,
		s.ids, s.partitions, s.known, s.counts, s.guards, s.last,
		e.partitions, e.places, e.streams, e.offsets, e.ids, e.types, e.schemas, e.decisive, e.actors,
		e.commands, e.ordinals, e.sizes, e.fingerprints, e.correlations, e.causations, e.payloads,
	}
}

// nullable makes NULL of the zero ID.
func nullable(id *domain.ID) *domain.ID {
	if id.IsZero() {
		return nil
	}
	return id
}
