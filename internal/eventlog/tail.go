package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// tailRun is the most events that one Next returns.
	tailRun = 512
	// mirrorWorthwhile is how far behind a reader must be for the mirror to
	// pay: opening a consumer costs more than a few queries.
	mirrorWorthwhile = 4 * tailRun
	// mirrorPatience is how long the mirror may take for the next event.
	mirrorPatience = time.Second
	// mirrorRest is how many events a reader takes from Postgres after the
	// mirror failed it, before it tries the mirror again.
	mirrorRest = 10_000
)

// Tail reads a partition without end: every event after a position, each once,
// in order. Recent ones come from memory, older ones from JetStream where it
// has them and from Postgres where it does not; the caller cannot tell. A Tail
// belongs to one goroutine.
type Tail struct {
	log      *Log
	feed     *feed
	position int64
	mirrored *mirrorReader
	notUntil int64 // the mirror is left alone up to this position
}

// Tail returns a reader of the events of a partition after a position. Close
// it when done.
func (l *Log) Tail(partition int, after int64) *Tail {
	return &Tail{log: l, feed: l.feeds[partition], position: after}
}

// Next returns the next run of events, at least one and at most 512; it waits
// for the first. The events are shared: do not change them. An error other
// than ctx's means that Postgres could not be read; Next may be called again.
func (t *Tail) Next(ctx context.Context) ([]*Event, error) {
	for {
		events, tip, cold, more := t.feed.after(t.position, tailRun)
		if cold {
			var err error
			if events, err = t.older(ctx, tip); err != nil {
				return nil, err
			}
		}
		if len(events) > 0 {
			t.position = events[len(events)-1].Position
			return events, nil
		}
		t.Close() // caught up: what follows comes from memory
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-more:
		}
	}
}

// Close lets go of the mirror, if the Tail reads from it.
func (t *Tail) Close() {
	if t.mirrored != nil {
		t.mirrored.stop()
		t.mirrored = nil
	}
}

// older reads events that memory no longer holds.
func (t *Tail) older(ctx context.Context, tip int64) ([]*Event, error) {
	if tip-t.position > mirrorWorthwhile && t.position >= t.notUntil && t.log.mirror.nc.IsConnected() {
		events, err := t.fromMirror(ctx)
		if err == nil {
			return events, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		t.log.logger.Debug("tail reads from Postgres", "partition", t.feed.partition, "position", t.position, "error", err)
		t.Close()
		t.notUntil = t.position + mirrorRest
	}
	events, err := t.log.readPartition(ctx, t.feed.partition, t.position, tip, tailRun)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 || events[0].Position != t.position+1 {
		return nil, fmt.Errorf("log has no event at %s", At{t.feed.partition, t.position + 1})
	}
	t.log.metrics.tailPostgres.Add(float64(len(events)))
	return events, nil
}

// fromMirror returns the next events from JetStream. Any hole is an error:
// after a crash a store may show lost messages as deleted ones.
func (t *Tail) fromMirror(ctx context.Context) ([]*Event, error) {
	if t.mirrored == nil {
		r, err := t.log.mirror.read(ctx, t.feed.partition, t.position+1)
		if err != nil {
			return nil, err
		}
		t.mirrored = r
	}
	events := make([]*Event, 0, tailRun)
	for next := t.position + 1; len(events) < cap(events) && next <= t.mirrored.upTo; next++ {
		e, err := t.mirrored.next(ctx)
		if err == nil && e.Position != next {
			err = fmt.Errorf("mirror has %d where %d should be", e.Position, next)
		}
		if err != nil {
			if len(events) > 0 {
				t.Close() // what was read is good; the hole comes up again
				break
			}
			return nil, err
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("mirror ends at %d", t.mirrored.upTo)
	}
	t.log.metrics.tailMirror.Add(float64(len(events)))
	return events, nil
}

// mirrorReader reads a partition's stream from a position on.
type mirrorReader struct {
	epoch    int
	upTo     int64 // the stream's end when the reader began
	messages jetstream.MessagesContext
}

// read opens a reader whose first event is at position from.
func (m *mirror) read(ctx context.Context, partition int, from int64) (*mirrorReader, error) {
	ctx, cancel := context.WithTimeout(ctx, mirrorPatience)
	defer cancel()
	stream, err := m.js.Stream(ctx, m.streamName(partition))
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", m.streamName(partition), err)
	}
	state := stream.CachedInfo().State
	if from < int64(state.FirstSeq) || from > int64(state.LastSeq) {
		// A consumer would begin elsewhere without a word.
		return nil, fmt.Errorf("mirror holds %d to %d, not %d", state.FirstSeq, state.LastSeq, from)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   uint64(from),
	})
	if err != nil {
		return nil, fmt.Errorf("consume stream %s: %w", m.streamName(partition), err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(2 * tailRun))
	if err != nil {
		return nil, fmt.Errorf("consume stream %s: %w", m.streamName(partition), err)
	}
	return &mirrorReader{epoch: m.epoch, upTo: int64(state.LastSeq), messages: messages}, nil
}

func (r *mirrorReader) next(ctx context.Context) (*Event, error) {
	ctx, cancel := context.WithTimeout(ctx, mirrorPatience)
	defer cancel()
	msg, err := r.messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("read mirror: %w", err)
	}
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("read mirror: %w", err)
	}
	e, err := decodeMessage(r.epoch, msg.Headers(), msg.Data())
	if err != nil {
		return nil, err
	}
	if int64(meta.Sequence.Stream) != e.Position {
		return nil, fmt.Errorf("%w: sequence %d holds position %d", ErrMirrorAhead, meta.Sequence.Stream, e.Position)
	}
	return e, nil
}

func (r *mirrorReader) stop() { r.messages.Stop() }
