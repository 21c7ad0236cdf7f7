package eventlog

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// mirrorReader reads a partition from JetStream, from a position on.
type mirrorReader struct {
	epoch    int
	upTo     int64 // the last position in JetStream when the reader began
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
		// A consumer would begin at another sequence without an error.
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
	return &mirrorReader{epoch: m.meta.epoch, upTo: int64(state.LastSeq), messages: messages}, nil
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
