package eventlog

import (
	"context"
	"fmt"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jackc/pgx/v5"

	"ping/domain"
)

// streamState is what a lane knows of a stream: everything up to version. It
// may lag behind other nodes; the append finds out when that matters.
type streamState struct {
	state    any
	version  int64
	position int64 // of the event with that version
	round    int   // in which round of the lane it was loaded
	err      error // why it cannot be decided on
}

// stateKey names a state: a stream as an aggregate of one kind sees it.
type stateKey struct {
	kind   string
	stream domain.ID
}

// stateCache holds the states that a lane used last.
type stateCache struct {
	states *simplelru.LRU[stateKey, *streamState]
	round  int
}

func newStateCache(size int) *stateCache {
	states, err := simplelru.NewLRU[stateKey, *streamState](size, nil)
	if err != nil {
		panic(err) // the size is checked by Config
	}
	return &stateCache{states: states}
}

func (c *stateCache) drop(k stateKey) { c.states.Remove(k) }
func (c *stateCache) clear()          { c.states.Purge() }

// load begins a round: it gives every request the state of its stream, from
// the cache or, all that are missing in one go, from the log.
func (c *stateCache) load(ctx context.Context, l *Log, batch []*request) error {
	c.round++
	missing := map[stateKey]*request{}
	for _, r := range batch {
		if st, ok := c.states.Get(r.state()); ok {
			r.st = st
		} else {
			r.st = nil
			missing[r.state()] = r
		}
	}
	if len(missing) == 0 {
		return nil
	}
	loaded, err := l.loadStates(ctx, missing)
	if err != nil {
		return fmt.Errorf("load states: %w", err)
	}
	for k, st := range loaded {
		st.round = c.round
		if st.err == nil {
			c.states.Add(k, st)
		}
	}
	for _, r := range batch {
		if r.st == nil {
			r.st = loaded[r.state()]
		}
	}
	return nil
}

const loadHeads = `
SELECT stream, version, position FROM log.streams WHERE stream = ANY ($1)`

const loadDecisive = `
SELECT stream, version, position, type, schema, payload
  FROM log.events
 WHERE stream = ANY ($1) AND decisive
 ORDER BY stream, version`

// loadStates folds the states of streams from their decisive events.
func (l *Log) loadStates(ctx context.Context, of map[stateKey]*request) (map[stateKey]*streamState, error) {
	states := make(map[stateKey]*streamState, len(of))
	byStream := make(map[domain.ID][]stateKey, len(of))
	ids := make([]domain.ID, 0, len(of))
	for k, r := range of {
		states[k] = &streamState{state: r.fresh()}
		if byStream[k.stream] == nil {
			ids = append(ids, k.stream)
		}
		byStream[k.stream] = append(byStream[k.stream], k)
	}
	// The heads are read first: the events, read after, then hold every
	// decisive one up to those versions, and perhaps some beyond.
	var batch pgx.Batch
	batch.Queue(loadHeads, uuids(ids)).Query(func(rows pgx.Rows) error {
		var id domain.ID
		var version, position int64
		_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&id), &version, &position}, func() error {
			for _, k := range byStream[id] {
				states[k].version, states[k].position = version, position
			}
			return nil
		})
		return err
	})
	batch.Queue(loadDecisive, uuids(ids)).Query(func(rows pgx.Rows) error {
		var id domain.ID
		var version, position int64
		var typ string
		var schema int
		var payload []byte
		_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&id), &version, &position, &typ, &schema, &payload}, func() error {
			e, err := domain.DecodeEvent(typ, schema, payload)
			for _, k := range byStream[id] {
				st := states[k]
				if version > st.version {
					st.version, st.position = version, position
				}
				if err != nil {
					st.err = fmt.Errorf("%s version %d: %w", id, version, err)
				} else {
					of[k].evolve(st.state, e)
				}
			}
			return nil
		})
		return err
	})
	return states, l.pool.SendBatch(ctx, &batch).Close()
}
