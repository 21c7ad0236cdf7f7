package eventlog

import (
	"sync"
)

// feed is what this process has lately seen of one partition: a contiguous run
// of events that ends at tip. Events come from the local lane at commit, from
// other nodes' publishes over NATS, and from Postgres where neither told in
// time. Out of order they wait in ahead until the gap before them is filled.
type feed struct {
	partition int

	mu     sync.Mutex
	tip    int64    // position of the last event seen; all before it are seen too
	ring   []*Event // ring[position % len] for the positions from oldest to tip
	oldest int64    // least position in the ring; beyond tip when it is empty
	head   int64    // greatest position known to exist
	ahead  map[int64]*Event
	moved  chan struct{} // closed when tip moves; nil while nobody waits
}

func newFeed(partition, size int, tip int64) *feed {
	return &feed{partition: partition, tip: tip, head: tip, oldest: tip + 1, ring: make([]*Event, size), ahead: map[int64]*Event{}}
}

// add takes events in any order, some perhaps seen before. It reports whether
// the tip moved and whether there is now a gap to fill.
func (f *feed) add(events ...*Event) (moved, gap bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		f.head = max(f.head, e.Position)
		switch {
		case e.Position == f.tip+1:
			f.push(e)
			moved = true
		case e.Position > f.tip+1:
			f.ahead[e.Position] = e
		}
	}
	for len(f.ahead) > 0 {
		e, ok := f.ahead[f.tip+1]
		if !ok {
			break
		}
		delete(f.ahead, e.Position)
		f.push(e)
		moved = true
	}
	if moved {
		f.wake()
		if len(f.ahead) > 0 {
			f.forget()
		}
	}
	return moved, f.tip < f.head
}

func (f *feed) push(e *Event) {
	f.tip = e.Position
	if e.Position < f.oldest {
		return // passed by without being kept, see distrust
	}
	f.ring[e.Position%int64(len(f.ring))] = e
	if e.Position-f.oldest >= int64(len(f.ring)) {
		f.oldest = e.Position - int64(len(f.ring)) + 1
	}
}

// distrust lets go of all events up to a position, and keeps none of them that
// is still to come: one of them was overwritten in Postgres, which has them all.
func (f *feed) distrust(upTo int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, e := range f.ring {
		if e != nil && e.Position <= upTo {
			f.ring[i] = nil
		}
	}
	f.oldest = max(f.oldest, upTo+1)
}

// forget drops what waited and has been passed by.
func (f *feed) forget() {
	for position := range f.ahead {
		if position <= f.tip {
			delete(f.ahead, position)
		}
	}
}

func (f *feed) wake() {
	if f.moved != nil {
		close(f.moved)
		f.moved = nil
	}
}

// known notes that Postgres has events up to head. It reports whether some of
// them have not been seen here.
func (f *feed) known(head int64) (gap bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head = max(f.head, head)
	return f.tip < f.head
}

// gap returns the first hole: events are missing in (after, upTo].
func (f *feed) gap() (after, upTo int64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tip >= f.head {
		return 0, 0, false
	}
	upTo = f.head
	for position := range f.ahead {
		upTo = min(upTo, position-1)
	}
	return f.tip, upTo, true
}

// after returns up to limit events that follow a position. cold says that the
// ring begins later than that: they must be read elsewhere, up to tip at
// least. With neither, wait is closed when there is more.
func (f *feed) after(position int64, limit int) (events []*Event, tip int64, cold bool, wait <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if position >= f.tip {
		if f.moved == nil {
			f.moved = make(chan struct{})
		}
		return nil, f.tip, false, f.moved
	}
	if position+1 < f.oldest {
		return nil, f.tip, true, nil
	}
	return f.run(position, min(f.tip, position+int64(limit))), f.tip, false, nil
}

// between returns the events in (after, upTo], if the ring holds them all.
func (f *feed) between(after, upTo int64) (events []*Event, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if upTo > f.tip || after+1 < f.oldest {
		return nil, false
	}
	return f.run(after, upTo), true
}

// run returns the events in (after, upTo], which the ring holds; f.mu is held.
func (f *feed) run(after, upTo int64) []*Event {
	events := make([]*Event, upTo-after)
	for i := range events {
		events[i] = f.ring[(after+1+int64(i))%int64(len(f.ring))]
	}
	return events
}

func (f *feed) seen() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tip
}
