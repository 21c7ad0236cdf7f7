package eventlog

import (
	"context"

	"ping/domain"
)

// Execute decides a command on its stream's state and appends the events, in
// the lane of the stream's partition.
//
// decide gets the state and its version. It must be pure: it may run several
// times, and must not keep or change the state. A refusal is final only when it
// was made on a state loaded or refreshed after the command arrived, so a stale
// cache never refuses anyone.
//
// A command that happened before returns its first result and is not decided
// again; with another fingerprint it is ErrKeyReused. When ctx ends first the
// outcome is unknown; a retry with the same key finds it out.
func Execute[S any](ctx context.Context, l *Log, agg Aggregate[S], cmd Command,
	decide func(state S, version int64) ([]domain.Event, error)) (Result, error) {
	r := &request{Command: cmd, decider: &typedDecider[S]{agg, decide}, done: make(chan outcome, 1)}
	if r.keyed() {
		r.id = domain.DerivedID(cmd.Actor[:], []byte(cmd.Key))
	} else {
		r.id = NewID()
	}
	return l.writer.submit(ctx, r)
}

// Inspect returns what read makes of a stream's current state, and the stream's
// last position that the state covers (position 0: an empty stream). The state
// is loaded or refreshed from Postgres after the call, so read sees every event
// that was committed before it.
//
// The lane of the stream's partition runs read, because it owns the cached
// state, but before it decides the commands of its batch: read sees committed
// events only and does not wait for an append. read must be pure, like a
// decision, and must not keep the state or anything that the state refers to.
func Inspect[S, R any](ctx context.Context, l *Log, agg Aggregate[S], stream domain.ID, read func(state S) R) (R, At, error) {
	var found R
	r := &request{
		Command: Command{Stream: stream}, inspects: true, done: make(chan outcome, 1),
		decider: &typedDecider[S]{agg, func(state S, _ int64) ([]domain.Event, error) {
			found = read(state)
			return nil, nil
		}},
	}
	result, err := l.writer.submit(ctx, r)
	if err != nil {
		var none R // the lane may still write found: it has not answered
		return none, At{}, err
	}
	return found, result.At, nil
}

// decider decides on the state of a stream and folds it, whatever its type.
type decider interface {
	kind() string
	newState() any
	evolve(state any, e domain.Event)
	size(state any) int
	decide(state any, version int64) ([]domain.Event, error)
}

// typedDecider is the decider of one kind of stream.
type typedDecider[S any] struct {
	aggregate Aggregate[S]
	decision  func(state S, version int64) ([]domain.Event, error)
}

func (d *typedDecider[S]) kind() string                     { return d.aggregate.Name }
func (d *typedDecider[S]) newState() any                    { return d.aggregate.New() }
func (d *typedDecider[S]) evolve(state any, e domain.Event) { d.aggregate.Evolve(state.(S), e) }
func (d *typedDecider[S]) size(state any) int               { return d.aggregate.Size(state.(S)) }

func (d *typedDecider[S]) decide(state any, version int64) ([]domain.Event, error) {
	return d.decision(state.(S), version)
}

// request is a command or an inspection in a lane. Only the lane accesses the
// fields below done.
type request struct {
	Command
	decider
	id       domain.ID // the command's id in the log; zero for an inspection
	inspects bool      // reads the state only, and is never appended
	done     chan outcome

	st       *streamState   // the state that the decision is made on
	events   []domain.Event // what was decided
	err      error          // or why it was refused
	recorded []*Event       // events with their envelopes
	answered bool
	// uncertain: an append of this command broke; it may have happened.
	uncertain bool
}

type outcome struct {
	Result
	err error
}

// state identifies the state that the request is decided on. A stream's id may
// come with a command of another kind: such a command is decided on the empty
// state of its own kind.
func (r *request) state() stateKey { return stateKey{r.kind(), r.Stream} }

// keyed reports whether the command may be retried.
func (r *request) keyed() bool { return r.Key != "" }

func (r *request) answer(res Result, err error) {
	r.answered = true
	r.done <- outcome{res, err}
}
