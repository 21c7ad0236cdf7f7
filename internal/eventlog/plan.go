package eventlog

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"ping/domain"
)

// plan is one append: the events of many commands, for the partitions of one
// lane, to be stored all or none.
type plan struct {
	meta        meta
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
	guard     int      // ordinal of the last decisive event in this share, from 1; 0: none
	last      int      // ordinal of the last event in its partition's share, from 1
}

// planned is an event whose version, position and time are not known yet.
type planned struct {
	*Event
	stream      int // index of its stream in the plan
	offset      int // ordinal in its stream's share, from 1
	decisive    bool
	ordinal     int // in its command, from 0
	commandSize int // events of its command
	fingerprint int64
}

func newPlan(m meta) *plan {
	return &plan{meta: m, streamOf: map[domain.ID]int{}, byPartition: make([][]*planned, m.partitions)}
}

// hasOtherKind reports whether the stream has events planned that were decided
// on a state of another kind than r's, which does not contain them.
func (p *plan) hasOtherKind(r *request) bool {
	i, ok := p.streamOf[r.Stream]
	return ok && p.streams[i].first.st != r.st
}

// add takes in what r decided. Decisive events change the state at once: the
// later commands of the batch are decided on them. If the append fails, the
// state is not used again.
func (p *plan) add(r *request) {
	i, ok := p.streamOf[r.Stream]
	if !ok {
		i = len(p.streams)
		p.streamOf[r.Stream] = i
		p.streams = append(p.streams, &plannedStream{
			id: r.Stream, partition: p.meta.PartitionOf(r.Stream), first: r, known: r.st.version,
		})
	}
	s := p.streams[i]
	r.recorded = make([]*Event, 0, len(r.events))
	for ordinal, e := range r.events {
		recorded := &Event{
			ID: eventID(e), Type: e.Type(), Schema: domain.Schema, Stream: r.Stream,
			Epoch: p.meta.epoch, Partition: s.partition, Actor: r.Actor, CommandID: r.id,
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

// accept gives the events their positions and the states their new versions.
func (p *plan) accept(a *appendAnswer) {
	for i, s := range p.streams {
		s.first.st.version = a.Versions[i] + int64(s.count)
	}
	index := 0
	for _, share := range p.byPartition {
		if len(share) == 0 {
			continue
		}
		for i, e := range share {
			e.Version = a.Versions[e.stream] + int64(e.offset)
			e.Position = a.Bases[index] + int64(i+1)
			e.RecordedAt = a.Times[index].UTC()
			e.encodeFrame()
		}
		for _, s := range p.streams {
			if s.partition == share[0].Partition {
				s.first.st.position = a.Bases[index] + int64(s.last)
			}
		}
		index++
	}
}

func eventID(e domain.Event) domain.ID {
	if identified, ok := e.(domain.Identified); ok {
		return identified.EventID()
	}
	return NewID()
}

// NewID makes a UUIDv7: ids are in the order of their creation, to the
// millisecond.
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
