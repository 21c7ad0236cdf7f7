package realtime

import (
	"container/heap"
	"context"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/transport"
)

// replay sends what the client may see between its positions and the cut-off. Events
// of a partition are sent in the order of their positions, across conversations: so
// a client can always resume from the last position of a partition that it received.
func (u *startup) replay(ctx context.Context, sources []source) error {
	moved, err := u.behind(ctx, sources)
	if err != nil {
		return err
	}
	var out []byte
	cursors := make([][]*cursor, len(u.hub.partitions))
	for _, st := range moved {
		if st.seen >= st.head {
			continue
		}
		spans, err := u.completeSpans(ctx, st)
		if err != nil {
			return err
		}
		for _, part := range spans.clip(st.seen, st.head) {
			if part.to-part.from >= int64(u.hub.cfg.MaxReplay) {
				// Before the events of its partition: a client that is disconnected
				// among those and resumes from them has received the gap.
				u.hub.metrics.gaps.Inc()
				if out, err = u.flushIfLarge(ctx, append(out, st.gap(part)...)); err != nil {
					return err
				}
				continue
			}
			cursors[st.partition] = append(cursors[st.partition], st.cursor(part))
		}
	}
	if err := u.flush(ctx, out); err != nil {
		return err
	}
	for _, of := range cursors {
		if err := u.merge(ctx, of); err != nil {
			return err
		}
	}
	return nil
}

// behind returns the sources that may have events which the client has not received,
// and notes the client's version of each. Sources whose last event the client has
// received, which are most, need no look-up. After a short disconnect, memory has
// the missed events, so that many clients that reconnect at once do not read the log.
func (u *startup) behind(ctx context.Context, sources []source) ([]*source, error) {
	var moved []*source
	for i := range sources {
		st := &sources[i]
		if st.head > 0 && (st.tip.position > u.from[st.partition] || st.head > st.tip.version) {
			st.seen = st.head
			moved = append(moved, st)
		}
	}
	asked := u.recent(moved, u.from, func(st *source, e *eventlog.Event) {
		if st.recent == nil {
			st.seen = e.Version - 1
		}
		st.recent = append(st.recent, e)
	})
	seen, err := u.versionsAt(ctx, asked, u.from)
	for i, version := range seen {
		asked[i].seen = version
	}
	return moved, err
}

// read does one read of the log. Reads are bounded, so that most connections to the
// database are left to commands.
func (u *startup) read(ctx context.Context, do func() error) error {
	if err := u.hub.reads.Acquire(ctx, 1); err != nil {
		return err
	}
	defer u.hub.reads.Release(1)
	return do()
}

// completeSpans adds spans before the first known one, as far as they reach beyond
// what the client has received.
func (u *startup) completeSpans(ctx context.Context, st *source) (membership, error) {
	first := st.spans[0].from
	var earlier membership
	for after := st.seen; after+1 < first; {
		var events []*eventlog.Event
		err := u.read(ctx, func() (err error) {
			events, err = u.hub.log.ReadDecisive(ctx, st.id, after, replayPage)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			after = e.Version
			c, ok := changeOf(e, u.hub.logger)
			if !ok || c.user != u.socket.user || e.Version >= first {
				continue
			}
			if c.is != added && len(earlier) == 0 {
				earlier = membership{{from: st.seen + 1}} // a member when the client left
			}
			earlier = earlier.apply(c)
		}
		if len(events) < replayPage {
			break
		}
	}
	return append(earlier, st.spans...), nil
}

// cursor reads a range of a source, a page at a time.
type cursor struct {
	stream domain.ID
	after  int64 // version up to which it was read
	upTo   int64
	page   []*eventlog.Event
}

// cursor makes the cursor of a range: events in memory are its only page.
func (st *source) cursor(part span) *cursor {
	if int64(len(st.recent)) == st.head-st.seen {
		return &cursor{after: part.to, upTo: part.to, page: st.recent[part.from-st.seen-1 : part.to-st.seen]}
	}
	return &cursor{stream: st.id, after: part.from - 1, upTo: part.to}
}

// fill reads the next page when the last one is used up.
func (c *cursor) fill(ctx context.Context, u *startup, size int) error {
	if len(c.page) > 0 || c.after >= c.upTo {
		return nil
	}
	var page []*eventlog.Event
	err := u.read(ctx, func() (err error) {
		page, err = u.hub.log.ReadStream(ctx, c.stream, c.after, int(min(int64(size), c.upTo-c.after)))
		return err
	})
	if err != nil {
		return err
	}
	if len(page) == 0 {
		c.after = c.upTo
		return nil
	}
	c.page, c.after = page, page[len(page)-1].Version
	return nil
}

// cursors is a heap; the first has the smallest position.
type cursors []*cursor

func (c cursors) Len() int           { return len(c) }
func (c cursors) Less(i, j int) bool { return c[i].page[0].Position < c[j].page[0].Position }
func (c cursors) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)        { *c = append(*c, x.(*cursor)) }
func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// merge sends the events of all cursors in the order of their positions.
func (u *startup) merge(ctx context.Context, of cursors) error {
	if len(of) == 0 {
		return nil
	}
	// The total size of the pages is bounded, with a few events each at least.
	size := max(replayPage/len(of), 8)
	merged := of[:0]
	for _, c := range of {
		if err := c.fill(ctx, u, size); err != nil {
			return err
		}
		if len(c.page) > 0 {
			merged = append(merged, c)
		}
	}
	heap.Init(&merged)
	var out []byte
	for len(merged) > 0 {
		c := merged[0]
		out = transport.AppendText(out, c.page[0].Frame)
		u.replayed++
		u.hub.metrics.replayed.Inc()
		c.page = c.page[1:]
		var err error
		if out, err = u.flushIfLarge(ctx, out); err != nil {
			return err
		}
		if err := c.fill(ctx, u, size); err != nil {
			return err
		}
		if len(c.page) == 0 {
			heap.Pop(&merged)
		} else {
			heap.Fix(&merged, 0)
		}
	}
	return u.flush(ctx, out)
}

// flushIfLarge sends the collected bytes if they are many, and returns what is not sent.
func (u *startup) flushIfLarge(ctx context.Context, out []byte) ([]byte, error) {
	if len(out) < sendSize {
		return out, nil
	}
	return out[:0], u.flush(ctx, out)
}

// flush sends the collected bytes and waits until the client has taken most of them.
func (u *startup) flush(ctx context.Context, out []byte) error {
	if len(out) > 0 {
		u.socket.conn.Send(out)
	}
	switch eased, ending := u.socket.conn.BelowLowWater(); {
	case ending:
		return context.Canceled // the client is gone
	case eased:
		return ctx.Err()
	}
	return u.yieldSlot(func() error { return u.socket.conn.WaitBelowLowWater(ctx) })
}
