package eventlog

import (
	"context"
	"fmt"
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
)

// streamState is what a lane knows of a stream: the decisive events up to
// version, all of them and none beyond. It may lag behind other nodes; the
// append detects when that matters.
type streamState struct {
	state    any
	version  int64
	position int64 // of the event with that version
	round    int   // the lane's round in which it was last up to date
	expired  bool  // must be refreshed before its next use
	weight   int   // bytes that the cache counts for it
	err      error // why it cannot be decided on
}

// advance moves the version that the state covers forward.
func (st *streamState) advance(version, position int64) {
	if version > st.version {
		st.version, st.position = version, position
	}
}

// stateKey identifies a state: a stream as an aggregate of one kind sees it.
type stateKey struct {
	kind   string
	stream domain.ID
}

// stateOverhead is about how many bytes a state takes in the cache on top of
// what its aggregate estimates: the key, twice, the entries of map and list, and
// streamState.
const stateOverhead = 320

// stateCache holds the states that a lane used last, bounded in bytes.
type stateCache struct {
	pool    *pgxpool.Pool
	states  *simplelru.LRU[stateKey, *streamState]
	bound   int // bytes
	held    int // bytes
	round   int
	metrics *metrics
}

func newStateCache(pool *pgxpool.Pool, bound int, m *metrics) *stateCache {
	c := &stateCache{pool: pool, bound: bound, metrics: m}
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

// load begins a round: it gives every request the state of its stream. States
// that are not in the cache, have expired or are inspected are read from the
// log, all in one round trip.
func (c *stateCache) load(ctx context.Context, batch []*request) error {
	c.round++
	var stale []*request // one per state
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
			st = &streamState{state: r.newState(), expired: true}
			c.metrics.statesLoaded.Inc()
		case st.expired, r.inspects:
			st.expired = true
			c.metrics.statesRefreshed.Inc()
		}
		if r.st = st; st.expired {
			reading[k] = st
			stale = append(stale, r)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	if err := c.refresh(ctx, stale); err != nil {
		return fmt.Errorf("load states: %w", err)
	}
	for _, r := range stale {
		r.st.round, r.st.expired = c.round, false
		c.keep(r)
	}
	return nil
}

// keep stores the state of r, which was read or changed, as the most recently
// used one, and evicts the least recently used until it fits. A state larger
// than the whole cache is not kept: its lane loads it each time.
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
// events cannot be removed from a state: it is dropped. A state without them
// only gets its version back, and must be refreshed to learn why the plan was
// refused.
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
