package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"ping/domain"
)

// ErrMirrorBehind: JetStream does not hold yet what is to be deleted from it,
// and is still to be given it.
var ErrMirrorBehind = errors.New("the mirror has not caught up with what is to be deleted from it")

// maxHoles is how many messages are overwritten one by one. For each the server
// writes a block of 8 MB anew and holds up the stream, so when they are more,
// the partition's mirror is emptied instead: Postgres has all that was in it.
const maxHoles = 100

// DeleteMirrored deletes events of a partition, as they were before Redact, from
// JetStream and from its disk. What stays are holes, which readers fill from
// Postgres. It fails while the mirror is away or behind them. Call it once
// AwaitForgotten has returned: until then a node may publish them again as they were.
func (l *Log) DeleteMirrored(ctx context.Context, partition int, positions []int64) error {
	if len(positions) == 0 {
		return nil
	}
	name := l.mirror.streamName(partition)
	stream, err := l.mirror.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("%w: there is no %s", ErrMirrorBehind, name)
	}
	if err != nil {
		return fmt.Errorf("read stream %s: %w", name, err)
	}
	state := stream.CachedInfo().State
	if last := slices.Max(positions); int64(state.LastSeq) < last {
		return fmt.Errorf("%w: %s is at %d, not %d", ErrMirrorBehind, name, state.LastSeq, last)
	}
	var holes []uint64
	for _, position := range positions {
		if position < int64(state.FirstSeq) {
			continue
		}
		personal, err := l.mirrorsPersonal(ctx, stream, uint64(position))
		if err != nil {
			return fmt.Errorf("read %s at %d: %w", name, position, err)
		}
		if personal {
			holes = append(holes, uint64(position))
		}
		if len(holes) > maxHoles {
			if err := stream.Purge(ctx); err != nil {
				return fmt.Errorf("empty %s: %w", name, err)
			}
			return nil
		}
	}
	for _, hole := range holes {
		if err := stream.SecureDeleteMsg(ctx, hole); err != nil {
			return fmt.Errorf("delete %s at %d: %w", name, hole, err)
		}
	}
	return nil
}

// mirrorsPersonal reports whether the mirror holds an event as it was before
// Redact: it may be gone, or published again since.
func (l *Log) mirrorsPersonal(ctx context.Context, stream jetstream.Stream, sequence uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	msg, err := stream.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	e, err := decodeMessage(l.epoch, msg.Header, msg.Data)
	if err != nil {
		return false, err
	}
	decoded, err := e.Decode()
	if err != nil {
		return false, err
	}
	redacted, personal := domain.Redact(decoded)
	return personal && string(encodePayload(redacted)) != string(e.Payload), nil
}

// DropOldMirrors deletes the mirrors of earlier epochs. Nobody reads them, they
// would end by their age, and the log cannot tell what in them is whose.
func (l *Log) DropOldMirrors(ctx context.Context) error {
	if l.epoch == 1 {
		return nil
	}
	names := l.mirror.js.StreamNames(ctx)
	for name := range names.Name() {
		var epoch, partition int
		if n, err := fmt.Sscanf(name, "PING_E%d_P%d", &epoch, &partition); n != 2 || err != nil || epoch >= l.epoch {
			continue
		}
		if err := l.mirror.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("delete stream %s: %w", name, err)
		}
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("list streams: %w", err)
	}
	return nil
}
