package eventlog

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"ping/domain"
)

// Errors of Execute, beside the refusals of the decision itself.
var (
	// ErrKeyReused: the stream knows the command's id with another request.
	ErrKeyReused = errors.New("the idempotency key was used with another request")
	// ErrOverloaded: the lane's queue is full; nothing was done. Retry later.
	ErrOverloaded = errors.New("too many commands are waiting")
	// ErrUnavailable: Postgres did not answer in time. Whether the command
	// happened is unknown; a retry with the same key is safe.
	ErrUnavailable = errors.New("the log cannot be reached")
	// ErrClosed: the log is shutting down; retry with the same key elsewhere.
	ErrClosed = errors.New("the log is closed")
)

// Command is a request to change one stream.
type Command struct {
	Stream domain.ID
	// Key names the command for ever among the actor's commands to the stream:
	// a retry with the same key has no second effect. It is the client's
	// Idempotency-Key; a command without one cannot be retried.
	Key string
	// Fingerprint tells the request apart from others that carry the same key
	// by mistake; see Fingerprint.
	Fingerprint int64
	// SkipReceipt says that repeating the command is harmless, so that nothing is
	// kept of it when it changes nothing: a retry is decided anew.
	SkipReceipt bool
	Actor       domain.ID
	// CorrelationID and CausationID are kept with the events; zero for none.
	CorrelationID domain.ID
	CausationID   domain.ID
}

// Fingerprint hashes what makes a request the same request: its route and its
// body, for example.
func Fingerprint(parts ...[]byte) int64 {
	h := sha256.New()
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write(p)
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)))
}

// Result is what a command did.
type Result struct {
	// Events are those of the command, in order; none when it changed nothing.
	Events []*Event
	// Replayed says that the command had happened before: Events are of then.
	Replayed bool
	// At is the place of the last of Events, or, without events, the last place
	// of the stream that the decision knew of (position 0: an empty stream).
	At At
	// Version is the stream's version at At.
	Version int64
}

// Aggregate says how the state of one kind of stream is folded from its
// decisive events. S is a pointer: Evolve changes the state in place.
type Aggregate[S any] struct {
	Name   string
	New    func() S
	Evolve func(S, domain.Event)
	// Size is about how many bytes of memory a state takes. It is asked often,
	// so it does not count one by one.
	Size func(S) int
}

// The kinds of stream.
var (
	Conversations = Aggregate[*domain.Conversation]{"conversation", domain.NewConversation, (*domain.Conversation).Evolve, (*domain.Conversation).Size}
	Users         = Aggregate[*domain.User]{"user", domain.NewUser, (*domain.User).Evolve, (*domain.User).Size}
)

// Execute decides a command on its stream's state and appends the events, in
// the lane of the stream's partition.
//
// decide gets the state and the version it stands for. It must be pure: it may
// run several times, and must not keep or change the state. A refusal it
// returns is final only when it was made on a state loaded or brought up to date
// after the command came in, so a stale cache never refuses anyone.
//
// A command that happened before returns its first result and is not decided
// again; with another fingerprint it is ErrKeyReused. When ctx ends first the
// outcome is unknown; a retry with the same key finds it out.
func Execute[S any](ctx context.Context, l *Log, agg Aggregate[S], cmd Command,
	decide func(state S, version int64) ([]domain.Event, error)) (Result, error) {
	r := &request{
		Command: cmd,
		kind:    agg.Name,
		fresh:   func() any { return agg.New() },
		evolve:  func(s any, e domain.Event) { agg.Evolve(s.(S), e) },
		size:    func(s any) int { return agg.Size(s.(S)) },
		decide:  func(s any, v int64) ([]domain.Event, error) { return decide(s.(S), v) },
		done:    make(chan outcome, 1),
	}
	if r.keyed() {
		r.id = domain.DerivedID(cmd.Actor[:], []byte(cmd.Key))
	} else {
		r.id = NewID()
	}
	lane := l.laneOf(l.PartitionOf(cmd.Stream))
	select {
	case lane.queue <- r:
	case <-l.stopped:
		return Result{}, ErrClosed
	default:
		return Result{}, ErrOverloaded
	}
	select {
	case out := <-r.done:
		return out.Result, out.err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("execute on %s: %w", cmd.Stream, ctx.Err())
	case <-l.stopped:
		// The lane may have answered just before it stopped.
		select {
		case out := <-r.done:
			return out.Result, out.err
		default:
			return Result{}, ErrClosed
		}
	}
}

// request is a command on its way through a lane. Only the lane touches what
// is below done.
type request struct {
	Command
	id     domain.ID // the command's id in the log
	kind   string    // the aggregate's name
	fresh  func() any
	evolve func(any, domain.Event)
	size   func(any) int
	decide func(any, int64) ([]domain.Event, error)
	done   chan outcome

	st       *streamState   // what the decision is made on
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

// state names what the command is decided on. A stream's id may be given with
// a command of another kind: then it is decided on the empty state of its own.
func (r *request) state() stateKey { return stateKey{r.kind, r.Stream} }

// keyed reports whether the command may come again.
func (r *request) keyed() bool { return r.Key != "" }

func (r *request) answer(res Result, err error) {
	r.answered = true
	r.done <- outcome{res, err}
}
