package realtime

import (
	"container/heap"
	"context"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/transport"
)

// replay sends the events that one socket has missed.
type replay struct {
	hub      *Hub
	user     domain.ID
	sender   *pacedSender
	from     []int64 // the client's position per partition; nil when it has none
	replayed int     // events
}

// run sends what the client may see between its positions and the cut-off. Events of
// a partition are sent in the order of their positions, across conversations: so a
// client can always resume from the last position of a partition that it received.
func (r *replay) run(ctx context.Context, sources []source, cut []int64) error {
	moved, err := r.behind(ctx, sources, cut)
	if err != nil {
		return err
	}
	var out []byte
	cursors := make([][]*cursor, len(r.hub.partitions))
	for _, st := range moved {
		if st.seen >= st.head {
			continue
		}
		spans, err := r.completeSpans(ctx, st)
		if err != nil {
			return err
		}
		for _, part := range spans.clip(st.seen, st.head) {
			if part.to-part.from >= int64(r.hub.cfg.MaxReplay) {
				// Before the events of its partition: a client that is disconnected
				// among those and resumes from them has received the gap.
				r.hub.metrics.gaps.Inc()
				if out, err = r.sender.flushIfLarge(ctx, append(out, st.gap(part)...)); err != nil {
					return err
				}
				continue
			}
			cursors[st.partition] = append(cursors[st.partition], st.cursor(part))
		}
	}
	if err := r.sender.flush(ctx, out); err != nil {
		return err
	}
	for _, of := range cursors {
		if err := r.merge(ctx, of); err != nil {
			return err
		}
	}
	return nil
}

// behind returns the sources that may have events which the client has not received,
// and notes the client's version of each. Sources whose last event the client has
// received, which are most, need no look-up. After a short disconnect, memory has
// the missed events, so that many clients that reconnect at once do not read the log.
func (r *replay) behind(ctx context.Context, sources []source, cut []int64) ([]*source, error) {
	var moved []*source
	for i := range sources {
		st := &sources[i]
		if st.head > 0 && (st.tip.position > r.from[st.partition] || st.head > st.tip.version) {
			st.seen = st.head
			moved = append(moved, st)
		}
	}
	asked := r.hub.reader.recent(moved, r.from, cut, func(st *source, e *eventlog.Event) {
		if st.recent == nil {
			st.seen = e.Version - 1
		}
		st.recent = append(st.recent, e)
	})
	seen, err := r.hub.reader.versionsAt(ctx, asked, r.from)
	for i, version := range seen {
		asked[i].seen = version
	}
	return moved, err
}

// completeSpans adds spans before the first known one, as far as they reach beyond
// what the client has received.
func (r *replay) completeSpans(ctx context.Context, st *source) (membership, error) {
	first := st.spans[0].from
	var earlier membership
	for after := st.seen; after+1 < first; {
		var events []*eventlog.Event
		err := r.hub.reader.read(ctx, func() (err error) {
			events, err = r.hub.log.ReadDecisive(ctx, st.id, after, replayPage)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			after = e.Version
			c, ok := changeOf(e, r.hub.logger)
			if !ok || c.user != r.user || e.Version >= first {
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
func (c *cursor) fill(ctx context.Context, r *logReader, size int) error {
	if len(c.page) > 0 || c.after >= c.upTo {
		return nil
	}
	var page []*eventlog.Event
	err := r.read(ctx, func() (err error) {
		page, err = r.log.ReadStream(ctx, c.stream, c.after, int(min(int64(size), c.upTo-c.after)))
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
func (r *replay) merge(ctx context.Context, of cursors) error {
	if len(of) == 0 {
		return nil
	}
	// The total size of the pages is bounded, with a few events each at least.
	size := max(replayPage/len(of), 8)
	merged := of[:0]
	for _, c := range of {
		if err := c.fill(ctx, r.hub.reader, size); err != nil {
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
		r.replayed++
		r.hub.metrics.replayed.Inc()
		c.page = c.page[1:]
		var err error
		if out, err = r.sender.flushIfLarge(ctx, out); err != nil {
			return err
		}
		if err := c.fill(ctx, r.hub.reader, size); err != nil {
			return err
		}
		if len(c.page) == 0 {
			heap.Pop(&merged)
		} else {
			heap.Fix(&merged, 0)
		}
	}
	return r.sender.flush(ctx, out)
}
