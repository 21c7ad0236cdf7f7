package eventlog

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// memory is what this node holds of the log: the recent events of every
// partition and how far it has seen each. It keeps them complete by comparing
// them with the heads in Postgres, and current by invalidating what an erasure
// overwrote.
type memory struct {
	meta      meta
	reader    *Reader
	recents   []*recent // per partition
	maxAge    time.Duration
	connected func() bool // to NATS
	logger    *slog.Logger
	gaps      chan struct{} // signalled when some partition has a gap

	redactions int64                     // as last read; used by watchHeads only
	checkedAt  atomic.Pointer[time.Time] // when the last successful check of Postgres began

	mu       sync.Mutex
	advanced chan struct{} // closed when any tip moves, for Wait; nil while nobody waits
}

// newMemory makes a memory that has seen everything up to the heads, and holds
// none of it.
func newMemory(ctx context.Context, m meta, reader *Reader, cfg Config, connected func() bool, logger *slog.Logger) (*memory, error) {
	began := time.Now()
	now, err := reader.readHeads(ctx)
	if err != nil {
		return nil, err
	}
	mem := &memory{
		meta: m, reader: reader, maxAge: cfg.MaxMemoryAge, connected: connected, logger: logger,
		gaps: make(chan struct{}, 1), redactions: now.redactions,
	}
	mem.checkedAt.Store(&began)
	for partition, head := range now.positions {
		mem.recents = append(mem.recents, newRecent(partition, cfg.Recent, head))
	}
	return mem, nil
}

// Tips returns, per partition, the last position that this node has seen; it
// has seen all before it too.
func (m *memory) Tips() []int64 {
	tips := make([]int64, len(m.recents))
	for i, r := range m.recents {
		tips[i] = r.lastSeen()
	}
	return tips
}

// Wait blocks until some partition has events beyond seen, and returns Tips.
func (m *memory) Wait(ctx context.Context, seen []int64) ([]int64, error) {
	for {
		m.mu.Lock()
		if m.advanced == nil {
			m.advanced = make(chan struct{})
		}
		advanced := m.advanced
		m.mu.Unlock()
		tips := m.Tips()
		for i, tip := range tips {
			if tip > seen[i] {
				return tips, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-advanced:
		}
	}
}

// Recent returns the events of a partition with positions in (after, upTo], if
// all of them are in memory and memory holds nothing that was overwritten. The
// events are shared: do not change them.
func (m *memory) Recent(partition int, after, upTo int64) (events []*Event, ok bool) {
	switch {
	case after >= upTo:
		return nil, true
	case !m.fresh():
		return nil, false
	}
	return m.recents[partition].between(after, upTo)
}

// fresh reports whether events in memory were the same as in Postgres within
// the last MaxMemoryAge: AwaitForgotten waits longer than that.
func (m *memory) fresh() bool { return time.Since(*m.checkedAt.Load()) < m.maxAge }

// watchHeads compares what this node has seen with Postgres. That is how events
// arrive whose publish was not received, and how the node learns that some in
// memory were overwritten.
func (m *memory) watchHeads(ctx context.Context) error {
	for {
		interval := sweepInterval
		if !m.connected() {
			interval = 50 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(interval):
		}
		began := time.Now()
		now, err := m.reader.readHeads(ctx)
		switch {
		case err != nil:
			m.logger.Debug("heads not read", "error", err)
			continue
		case now.epoch != m.meta.epoch:
			return ErrEpochChanged
		}
		if now.redactions != m.redactions {
			for partition, head := range now.positions {
				m.recents[partition].invalidate(head)
			}
			m.redactions = now.redactions
		}
		m.checkedAt.Store(&began)
		for partition, head := range now.positions {
			if m.recents[partition].setHead(head) {
				m.reportGap()
			}
		}
	}
}

// fillGaps reads from Postgres the events of other nodes whose publish did not
// arrive in time.
func (m *memory) fillGaps(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.gaps:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(grace):
		}
		for _, r := range m.recents {
			after, upTo, ok := r.gap()
			if !ok {
				continue
			}
			events, err := m.reader.readPartition(ctx, r.partition, after, upTo, tailRun)
			if err != nil {
				m.logger.Debug("gap not filled", "error", err)
			}
			m.add(r, events)
		}
	}
}

func (m *memory) reportGap() {
	select {
	case m.gaps <- struct{}{}:
	default:
	}
}

// onPublished takes in an event that another node publishes. Only committed
// events are ever published, so it counts as seen whether or not JetStream
// stores it from that publisher.
func (m *memory) onPublished(msg *nats.Msg) {
	e, err := decodeMessage(m.meta.epoch, msg.Header, msg.Data)
	if err != nil || e.Partition >= m.meta.partitions {
		m.logger.Warn("message on the mirror's subjects is not an event", "subject", msg.Subject, "error", err)
		return
	}
	e.origin = published
	m.add(m.recents[e.Partition], []*Event{e})
}

// addAppended takes in what this node appended.
func (m *memory) addAppended(byPartition [][]*planned) {
	for partition, share := range byPartition {
		if len(share) == 0 {
			continue
		}
		events := make([]*Event, len(share))
		for i, e := range share {
			events[i] = e.Event
		}
		m.add(m.recents[partition], events)
	}
}

func (m *memory) add(r *recent, events []*Event) {
	moved, gap := r.add(events...)
	if moved {
		m.mu.Lock()
		if m.advanced != nil {
			close(m.advanced)
			m.advanced = nil
		}
		m.mu.Unlock()
	}
	if gap {
		m.reportGap()
	}
}
