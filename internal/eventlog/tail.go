package eventlog

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// tailRun is the maximum number of events that one Next returns.
	tailRun = 512
	// mirrorWorthwhile is how far behind a reader must be for the mirror to
	// pay: opening a consumer costs more than a few queries.
	mirrorWorthwhile = 4 * tailRun
	// mirrorPatience is how long the mirror may take for the next event.
	mirrorPatience = time.Second
	// mirrorRest is how many events a reader takes from Postgres after the
	// mirror failed, before it tries the mirror again.
	mirrorRest = 10_000
)

// Tail reads a partition without end: every event after a position, each once,
// in order. Recent ones come from memory, older ones from JetStream where it
// has them and from Postgres where it does not; the caller cannot tell. A Tail
// belongs to one goroutine.
type Tail struct {
	recent   *recent
	reader   *Reader
	mirror   *mirror
	metrics  *metrics
	logger   *slog.Logger
	position int64
	mirrored *mirrorReader
	notUntil int64 // the mirror is not read before this position
}

// Next returns the next run of events, at least one and at most 512; it waits
// for the first. The events are shared: do not change them. An error other
// than ctx's means that Postgres could not be read; Next may be called again.
func (t *Tail) Next(ctx context.Context) ([]*Event, error) {
	for {
		next := t.recent.after(t.position, tailRun)
		events := next.events
		if next.evicted {
			var err error
			if events, err = t.older(ctx, next.tip); err != nil {
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
		case <-next.more:
		}
	}
}

// Close releases the mirror, if the Tail reads from it.
func (t *Tail) Close() {
	if t.mirrored != nil {
		t.mirrored.stop()
		t.mirrored = nil
	}
}

// older reads events that memory no longer holds.
func (t *Tail) older(ctx context.Context, tip int64) ([]*Event, error) {
	if tip-t.position > mirrorWorthwhile && t.position >= t.notUntil && t.mirror.nc.IsConnected() {
		events, err := t.fromMirror(ctx)
		if err == nil {
			return events, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		t.logger.Debug("tail reads from Postgres", "partition", t.recent.partition, "position", t.position, "error", err)
		t.Close()
		t.notUntil = t.position + mirrorRest
	}
	events, err := t.reader.readPartition(ctx, t.recent.partition, t.position, tip, tailRun)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 || events[0].Position != t.position+1 {
		return nil, fmt.Errorf("log has no event at %s", At{t.recent.partition, t.position + 1})
	}
	t.metrics.tailPostgres.Add(float64(len(events)))
	return events, nil
}

// fromMirror returns the next events from JetStream. Any hole is an error:
// after a crash a store may show lost messages as deleted ones.
func (t *Tail) fromMirror(ctx context.Context) ([]*Event, error) {
	if t.mirrored == nil {
		r, err := t.mirror.read(ctx, t.recent.partition, t.position+1)
		if err != nil {
			return nil, err
		}
		t.mirrored = r
	}
	events := make([]*Event, 0, tailRun)
	for next := t.position + 1; len(events) < cap(events) && next <= t.mirrored.upTo; next++ {
		e, err := t.mirrored.next(ctx)
		if err == nil && e.Position != next {
			err = fmt.Errorf("mirror has %d instead of %d", e.Position, next)
		}
		if err != nil {
			if len(events) > 0 {
				t.Close() // what was read is good; the next read finds the hole
				break
			}
			return nil, err
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("mirror ends at %d", t.mirrored.upTo)
	}
	t.metrics.tailMirror.Add(float64(len(events)))
	return events, nil
}
