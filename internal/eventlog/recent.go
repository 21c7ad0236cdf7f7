package eventlog

import (
	"sync"
)

// recent is what this node has recently seen of one partition: a contiguous run
// of events that ends at tip. Events come from the local lane at commit, from
// other nodes' publishes over NATS, and from Postgres when neither delivered
// them in time. Events that arrive out of order wait in ahead until the gap
// before them is filled.
type recent struct {
	partition int

	mu       sync.Mutex
	tip      int64    // position of the last event seen; all before it are seen too
	ring     []*Event // ring[position % len] for the positions from oldest to tip
	oldest   int64    // lowest position in the ring; beyond tip when it is empty
	head     int64    // highest position known to exist
	ahead    map[int64]*Event
	advanced chan struct{} // closed when tip moves, for Tail.Next and publisher.idle; nil while nobody waits
}

func newRecent(partition, size int, tip int64) *recent {
	return &recent{partition: partition, tip: tip, head: tip, oldest: tip + 1, ring: make([]*Event, size), ahead: map[int64]*Event{}}
}

// add takes events in any order, including events seen before. It reports
// whether the tip moved and whether there is now a gap to fill.
func (r *recent) add(events ...*Event) (moved, gap bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		r.head = max(r.head, e.Position)
		switch {
		case e.Position == r.tip+1:
			r.push(e)
			moved = true
		case e.Position > r.tip+1:
			r.ahead[e.Position] = e
		}
	}
	for len(r.ahead) > 0 {
		e, ok := r.ahead[r.tip+1]
		if !ok {
			break
		}
		delete(r.ahead, e.Position)
		r.push(e)
		moved = true
	}
	if moved {
		r.notify()
		if len(r.ahead) > 0 {
			r.dropPassed()
		}
	}
	return moved, r.tip < r.head
}

func (r *recent) push(e *Event) {
	r.tip = e.Position
	if e.Position < r.oldest {
		return // seen but not kept, see invalidate
	}
	r.ring[e.Position%int64(len(r.ring))] = e
	if e.Position-r.oldest >= int64(len(r.ring)) {
		r.oldest = e.Position - int64(len(r.ring)) + 1
	}
}

// invalidate drops all events up to a position, and keeps none of them that
// arrives later: one of them was overwritten in Postgres, which has them all.
func (r *recent) invalidate(upTo int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.ring {
		if e != nil && e.Position <= upTo {
			r.ring[i] = nil
		}
	}
	r.oldest = max(r.oldest, upTo+1)
}

// dropPassed drops waiting events that the tip has passed.
func (r *recent) dropPassed() {
	for position := range r.ahead {
		if position <= r.tip {
			delete(r.ahead, position)
		}
	}
}

func (r *recent) notify() {
	if r.advanced != nil {
		close(r.advanced)
		r.advanced = nil
	}
}

// setHead notes that Postgres has events up to head. It reports whether some of
// them have not been seen here.
func (r *recent) setHead(head int64) (gap bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.head = max(r.head, head)
	return r.tip < r.head
}

// gap returns the first hole: events are missing in (after, upTo].
func (r *recent) gap() (after, upTo int64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tip >= r.head {
		return 0, 0, false
	}
	upTo = r.head
	for position := range r.ahead {
		upTo = min(upTo, position-1)
	}
	return r.tip, upTo, true
}

// run is what memory has after a position: events, or the answer that they are
// not in memory, or a signal that is closed when there are some.
type run struct {
	events  []*Event        // the next ones, in order
	tip     int64           // the last position that this node has seen
	evicted bool            // the next ones are not in memory: read them elsewhere, up to tip at least
	more    <-chan struct{} // set when there is nothing after the position yet
}

// after returns up to limit events that follow a position.
func (r *recent) after(position int64, limit int) run {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case position >= r.tip:
		if r.advanced == nil {
			r.advanced = make(chan struct{})
		}
		return run{tip: r.tip, more: r.advanced}
	case position+1 < r.oldest:
		return run{tip: r.tip, evicted: true}
	}
	return run{tip: r.tip, events: r.slice(position, min(r.tip, position+int64(limit)))}
}

// between returns the events in (after, upTo], if memory has them all.
func (r *recent) between(after, upTo int64) (events []*Event, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if upTo > r.tip || after+1 < r.oldest {
		return nil, false
	}
	return r.slice(after, upTo), true
}

// slice returns the events in (after, upTo], which the ring has; r.mu is held.
func (r *recent) slice(after, upTo int64) []*Event {
	events := make([]*Event, upTo-after)
	for i := range events {
		events[i] = r.ring[(after+1+int64(i))%int64(len(r.ring))]
	}
	return events
}

// lastSeen returns the tip.
func (r *recent) lastSeen() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tip
}
