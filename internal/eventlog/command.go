package eventlog

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"ping/domain"
)

// Errors of Execute and Inspect, besides the refusals of the decision itself.
var (
	// ErrKeyReused: the stream knows the idempotency key with another request.
	ErrKeyReused = errors.New("the idempotency key was used with another request")
	// ErrOverloaded: the lane's queue is full; nothing was done. Retry later.
	ErrOverloaded = errors.New("too many commands are waiting")
	// ErrUnavailable: Postgres did not answer in time. Whether the command
	// happened is unknown; a retry with the same key is safe.
	ErrUnavailable = errors.New("the log is unavailable")
	// ErrClosed: the log is shutting down; retry with the same key on another node.
	ErrClosed = errors.New("the log is closed")
)

// Command is a request to change one stream.
type Command struct {
	Stream domain.ID
	// Key identifies the command for ever among the actor's commands to the
	// stream: a retry with the same key has no second effect. It is the client's
	// Idempotency-Key; a command without one cannot be retried.
	Key string
	// Fingerprint tells the request apart from others that carry the same key
	// by mistake; see Fingerprint.
	Fingerprint int64
	// SkipReceipt is for commands that are harmless to repeat: one that changes
	// nothing leaves no receipt, so a retry of it is decided again.
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
	// Replayed says that an earlier request with the same key did this: Events
	// are those of the first time.
	Replayed bool
	// At is the position of the last of Events, or, without events, the stream's
	// last position that the decision knew of (0: an empty stream).
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
	// Size is about how many bytes of memory a state takes. It is called often,
	// so it estimates instead of counting every member.
	Size func(S) int
}

// The kinds of stream.
var (
	Conversations = Aggregate[*domain.Conversation]{"conversation", domain.NewConversation, (*domain.Conversation).Evolve, (*domain.Conversation).Size}
	Users         = Aggregate[*domain.User]{"user", domain.NewUser, (*domain.User).Evolve, (*domain.User).Size}
)
