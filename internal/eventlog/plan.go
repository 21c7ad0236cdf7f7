package eventlog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
)

// plan is one append: the events of many commands, for the partitions of one
// lane, to be stored all or none.
type plan struct {
	log         *Log
	requests    []*request
	streams     []*plannedStream
	streamOf    map[domain.ID]int
	byPartition [][]*planned // in the order of their positions
	size        int          // events
}

// plannedStream is a stream's share of the plan.
type plannedStream struct {
	id        domain.ID
	partition int
	first     *request // it holds the state that all were decided on
	known     int64    // the version that the first decision was made on
	count     int      // events
	guard     int      // place among them of the last decisive one, from 1; 0: none
	last      int      // place of the last one in its partition's share, from 1
}

// planned is an event whose version, position and time are not known yet.
type planned struct {
	*Event
	stream      int // index of its stream, and its place in that, from 1
	offset      int
	decisive    bool
	ordinal     int // place in its command, and the command's size
	commandSize int
	fingerprint int64
}

func newPlan(l *Log) *plan {
	return &plan{log: l, streamOf: map[domain.ID]int{}, byPartition: make([][]*planned, l.partitions)}
}

// hasOtherKind reports whether the stream has events planned that were decided
// on a state of another kind than that of r, which knows nothing of them.
func (p *plan) hasOtherKind(r *request) bool {
	i, ok := p.streamOf[r.Stream]
	return ok && p.streams[i].first.st != r.st
}

// add takes in what r decided. Decisive events change the state at once: the
// commands after it in the batch are decided on them. If the append fails, the
// state is not used again.
func (p *plan) add(r *request) {
	i, ok := p.streamOf[r.Stream]
	if !ok {
		i = len(p.streams)
		p.streamOf[r.Stream] = i
		p.streams = append(p.streams, &plannedStream{
			id: r.Stream, partition: p.log.PartitionOf(r.Stream), first: r, known: r.st.version,
		})
	}
	s := p.streams[i]
	r.recorded = make([]*Event, 0, len(r.events))
	for ordinal, e := range r.events {
		recorded := &Event{
			ID: eventID(e), Type: e.Type(), Schema: domain.Schema, Stream: r.Stream,
			Epoch: p.log.epoch, Partition: s.partition, Actor: r.Actor, CommandID: r.id,
			CorrelationID: r.CorrelationID, CausationID: r.CausationID,
			Payload: encodePayload(e), origin: appended,
		}
		recorded.decoded.Store(e)
		s.count++
		if e.Decisive() {
			s.guard = s.count
			r.evolve(r.st.state, e)
		}
		share := append(p.byPartition[s.partition], &planned{
			Event: recorded, stream: i, offset: s.count, decisive: e.Decisive(),
			ordinal: ordinal, commandSize: len(r.events), fingerprint: r.Fingerprint,
		})
		p.byPartition[s.partition] = share
		s.last = len(share)
		r.recorded = append(r.recorded, recorded)
	}
	r.st.version += int64(len(r.events))
	p.size += len(r.events)
	p.requests = append(p.requests, r)
}

func eventID(e domain.Event) domain.ID {
	if named, ok := e.(domain.Identified); ok {
		return named.EventID()
	}
	return NewID()
}

// NewID makes a UUIDv7: its order is that of its making, to the millisecond.
func NewID() domain.ID { return domain.ID(uuid.Must(uuid.NewV7())) }

// encodePayload writes an event's payload. Markup stays readable: the bytes
// are JSON for programs, not text inside a page.
func encodePayload(e domain.Event) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		panic(fmt.Sprintf("encode %s: %v", e.Type(), err)) // events are plain structs
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// place is what log.append answers.
type place struct {
	Bases     []int64     // a partition's position before the append
	Times     []time.Time // a partition's recorded_at
	Versions  []int64     // a stream's version before the append
	Conflicts [][16]byte  // refused: these streams changed what is allowed
	Repeats   bool        // refused: some command happened before
}

func (p *place) refused() bool { return p.Bases == nil }

const appendSQL = `
SELECT bases, times, versions, conflicts, repeats
  FROM log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`

// append runs the plan as one transaction.
func (p *plan) append(ctx context.Context, pool *pgxpool.Pool) (*place, error) {
	var answer place
	err := pool.QueryRow(ctx, appendSQL, p.arguments()...).
		Scan(&answer.Bases, &answer.Times, &answer.Versions, &answer.Conflicts, &answer.Repeats)
	if err != nil {
		return nil, fmt.Errorf("append %d events: %w", p.size, err)
	}
	return &answer, nil
}

// arguments lays the plan out as the arrays that log.append takes.
func (p *plan) arguments() []any {
	type (
		smalls = []int16
		ints   = []int32
		bigs   = []int64
	)
	var partitions smalls
	var counts ints
	index := make([]int32, len(p.byPartition)) // where a partition stands in the arrays, from 1
	for partition, share := range p.byPartition {
		if len(share) > 0 {
			partitions = append(partitions, int16(partition))
			counts = append(counts, int32(len(share)))
			index[partition] = int32(len(partitions))
		}
	}

	n := len(p.streams)
	sIDs, sPartitions, sKnown := make([]pgtype.UUID, n), make(ints, n), make(bigs, n)
	sCounts, sGuards, sLast := make(ints, n), make(ints, n), make(ints, n)
	for i, s := range p.streams {
		sIDs[i], sPartitions[i], sKnown[i] = pgUUID(s.id), index[s.partition], s.known
		sCounts[i], sGuards[i], sLast[i] = int32(s.count), int32(s.guard), int32(s.last)
	}

	n = p.size
	ePartitions, ePlaces, eStreams, eOffsets := make(ints, 0, n), make(ints, 0, n), make(ints, 0, n), make(ints, 0, n)
	ids, types, schemas, decisive := make([]pgtype.UUID, 0, n), make([]string, 0, n), make(smalls, 0, n), make([]bool, 0, n)
	actors, commands, ordinals, sizes := make([]pgtype.UUID, 0, n), make([]pgtype.UUID, 0, n), make(smalls, 0, n), make(smalls, 0, n)
	fingerprints, payloads := make(bigs, 0, n), make([][]byte, 0, n)
	correlations, causations := make([]pgtype.UUID, 0, n), make([]pgtype.UUID, 0, n)
	for partition, share := range p.byPartition {
		for i, e := range share {
			ePartitions, ePlaces = append(ePartitions, index[partition]), append(ePlaces, int32(i+1))
			eStreams, eOffsets = append(eStreams, int32(e.stream+1)), append(eOffsets, int32(e.offset))
			ids, types = append(ids, pgUUID(e.ID)), append(types, e.Type)
			schemas, decisive = append(schemas, int16(e.Schema)), append(decisive, e.decisive)
			actors, commands = append(actors, pgtype.UUID{Bytes: e.Actor, Valid: true}), append(commands, pgUUID(e.CommandID))
			ordinals, sizes = append(ordinals, int16(e.ordinal)), append(sizes, int16(e.commandSize))
			fingerprints, payloads = append(fingerprints, e.fingerprint), append(payloads, e.Payload)
			correlations, causations = append(correlations, pgUUID(e.CorrelationID)), append(causations, pgUUID(e.CausationID))
		}
	}
	return []any{partitions, counts, sIDs, sPartitions, sKnown, sCounts, sGuards, sLast,
		ePartitions, ePlaces, eStreams, eOffsets, ids, types, schemas, decisive, actors,
		commands, ordinals, sizes, fingerprints, correlations, causations, payloads}
}

// accept gives the events their places and the states their new versions.
func (p *plan) accept(at *place) {
	for i, s := range p.streams {
		s.first.st.version = at.Versions[i] + int64(s.count)
	}
	index := 0
	for _, share := range p.byPartition {
		if len(share) == 0 {
			continue
		}
		for i, e := range share {
			e.Version = at.Versions[e.stream] + int64(e.offset)
			e.Position = at.Bases[index] + int64(i+1)
			e.RecordedAt = at.Times[index].UTC()
			e.encodeFrame()
		}
		for _, s := range p.streams {
			if s.partition == share[0].Partition {
				s.first.st.position = at.Bases[index] + int64(s.last)
			}
		}
		index++
	}
}

// pgUUID is the fast way to hand an id to pgx; the zero ID becomes NULL.
func pgUUID(id domain.ID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: !id.IsZero()} }

func uuids(ids []domain.ID) []pgtype.UUID {
	out := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		out[i] = pgtype.UUID{Bytes: id, Valid: true}
	}
	return out
}
