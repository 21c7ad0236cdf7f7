package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrMirrorBehind: JetStream does not hold yet what is to be deleted from it,
// and is still to be given it.
var ErrMirrorBehind = errors.New("the mirror has not caught up with what is to be deleted from it")

// Unmirror deletes events of a partition from JetStream so that their bytes are
// overwritten there. What stays are holes, which readers fill from Postgres. It
// fails while the mirror is away or behind them. Call it once Forgotten has
// returned: until then a node may publish the events again as they were.
func (l *Log) Unmirror(ctx context.Context, partition int, positions []int64) error {
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
	for _, position := range positions {
		if position < int64(state.FirstSeq) {
			continue
		}
		if err := secureDelete(ctx, stream, uint64(position)); err != nil {
			return fmt.Errorf("delete %s at %d: %w", name, position, err)
		}
	}
	return nil
}

// secureDelete overwrites a message. The server has several errors for one that
// is not there: whether it is there is asked instead.
func secureDelete(ctx context.Context, stream jetstream.Stream, sequence uint64) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := stream.SecureDeleteMsg(ctx, sequence)
	if err == nil {
		return nil
	}
	if _, missing := stream.GetMsg(ctx, sequence); errors.Is(missing, jetstream.ErrMsgNotFound) {
		return nil
	}
	return err
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
