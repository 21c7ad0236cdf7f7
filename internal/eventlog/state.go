package eventlog

import (
	"context"
	"fmt"
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"ping/domain"
)

// streamState is what a lane knows of a stream: the decisive events up to
// version, all of them and none beyond. It may lag behind other nodes; the
// append finds out when that matters.
type streamState struct {
	state    any
	version  int64
	position int64 // of the event with that version
	round    int   // in which round of the lane it was last up to date
	expired  bool  // to be brought up to date before it is used again
	weight   int   // bytes that the cache counts for it
	err      error // why it cannot be decided on
}

// stateKey names a state: a stream as an aggregate of one kind sees it.
type stateKey struct {
	kind   string
	stream domain.ID
}

// stateOverhead is about how many bytes a state takes in the cache beside what
// its aggregate says: the key, twice, the entries of map and list, streamState.
const stateOverhead = 320

// stateCache holds the states that a lane used last, up to so many bytes.
type stateCache struct {
	states  *simplelru.LRU[stateKey, *streamState]
	bound   int // bytes
	held    int // bytes
	round   int
	metrics *metrics
}

func newStateCache(bound int, m *metrics) *stateCache {
	c := &stateCache{bound: bound, metrics: m}
	states, err := simplelru.NewLRU(math.MaxInt, func(_ stateKey, st *streamState) { c.count(-st.weight) })
	if err != nil {
		panic(err) // the size is positive
	}
	c.states = states
	return c
}

func (c *stateCache) drop(k stateKey) { c.states.Remove(k) }
func (c *stateCache) clear()          { c.states.Purge() }

func (c *stateCache) count(bytes int) {
	c.held += bytes
	c.metrics.stateBytes.Add(float64(bytes))
}

// load begins a round: it gives every request the state of its stream. What is
// expired or not in the cache is read from the log, all in one go.
func (c *stateCache) load(ctx context.Context, l *Log, batch []*request) error {
	c.round++
	var behind []*request // one a state
	reading := map[stateKey]*streamState{}
	for _, r := range batch {
		k := r.state()
		if st, ok := reading[k]; ok {
			r.st = st
			continue
		}
		st, ok := c.states.Get(k)
		switch {
		case !ok:
			st = &streamState{state: r.newState()}
			c.metrics.statesLoaded.Inc()
		case st.expired, r.inspects:
			st.expired = true
			c.metrics.statesRefreshed.Inc()
		}
		if r.st = st; !ok || st.expired {
			reading[k] = st
			behind = append(behind, r)
		}
	}
	if len(behind) == 0 {
		return nil
	}
	if err := l.catchUp(ctx, behind); err != nil {
		return fmt.Errorf("load states: %w", err)
	}
	for _, r := range behind {
		r.st.round, r.st.expired = c.round, false
		c.keep(r)
	}
	return nil
}

// keep holds on to the state of r, which was read or changed, as the one used
// last, and lets go of those used longest ago until it fits. One that does not
// fit at all is not kept: its lane loads it each time.
func (c *stateCache) keep(r *request) {
	c.drop(r.state())
	r.st.weight = stateOverhead + r.size(r.st.state)
	if r.st.err != nil || r.st.weight > c.bound {
		return
	}
	for c.held+r.st.weight > c.bound {
		c.states.RemoveOldest()
		c.metrics.statesEvicted.Inc()
	}
	c.states.Add(r.state(), r.st)
	c.count(r.st.weight)
}

// withdraw undoes what a plan that was not accepted did to the states. Decisive
// events cannot be taken out of a state again: it is dropped. One without them
// is as it was, but for its version, and has to learn why it was refused.
func (c *stateCache) withdraw(p *plan) {
	for _, s := range p.streams {
		st := s.first.st
		if s.guard > 0 {
			c.drop(s.first.state())
			continue
		}
		st.version, st.expired = s.known, true
	}
}
