package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"ping/domain"
)

// ErrMirrorBehind: JetStream does not hold the events yet that are to be deleted
// from it, and a publisher has still to send them.
var ErrMirrorBehind = errors.New("the mirror has not caught up with what is to be deleted from it")

// maxHoles is how many messages are overwritten one by one. For each the server
// rewrites a block of 8 MB and blocks the JetStream stream, so beyond that the
// partition's mirror is emptied instead: Postgres has all that was in it.
const maxHoles = 100

// DeleteMirrored deletes events of a partition, as they were before Redact, from
// JetStream and from its disk. It leaves holes, which readers fill from
// Postgres. It fails while the mirror is unreachable or behind them. Call it
// after AwaitForgotten: until then a node may publish the events again as they
// were.
func (r *Redactor) DeleteMirrored(ctx context.Context, partition int, positions []int64) error {
	if len(positions) == 0 {
		return nil
	}
	name := r.mirror.streamName(partition)
	stream, err := r.mirror.js.Stream(ctx, name)
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
		personal, err := r.holdsPersonal(ctx, stream, uint64(position))
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

// holdsPersonal reports whether JetStream holds an event as it was before
// Redact: the event may be deleted already, or published again since.
func (r *Redactor) holdsPersonal(ctx context.Context, stream jetstream.Stream, sequence uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	msg, err := stream.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	e, err := decodeMessage(r.meta.epoch, msg.Header, msg.Data)
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

// DropOldMirrors deletes the mirrors of earlier epochs. No node reads them, they
// would expire by their age, and the log cannot tell whose events they hold.
func (r *Redactor) DropOldMirrors(ctx context.Context) error {
	if r.meta.epoch == 1 {
		return nil
	}
	js := r.mirror.js
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		var epoch, partition int
		if n, err := fmt.Sscanf(name, "PING_E%d_P%d", &epoch, &partition); n != 2 || err != nil || epoch >= r.meta.epoch {
			continue
		}
		if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("delete stream %s: %w", name, err)
		}
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("list streams: %w", err)
	}
	return nil
}
