package domain

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Event is one fact about a stream. Its JSON form is the payload in the log and the
// `data` of an event frame.
type Event interface {
	// Type is the event's name in the log, on the wire and in the contract.
	// It is a stored string and never changes.
	Type() string
	// Decisive says that the event changes what later commands may do
	// (existence, membership, roles). States are loaded from decisive events
	// alone, and only a decisive event can make a concurrent command stale.
	Decisive() bool
}

// Identified is an Event whose id is chosen by the command, because it identifies
// what the event creates: a message's id is the id of its message.sent.
type Identified interface {
	EventID() ID
}

// ErrUnknownEvent is returned by DecodeEvent for a type or a schema that this
// version does not know, because a newer node wrote it.
var ErrUnknownEvent = errors.New("unknown event")

// Schema is the version of the payload shapes that this code writes. Older
// ones are upcast in DecodeEvent.
const Schema = 1

// DecodeEvent reads a payload of the log. It returns a wrapped ErrUnknownEvent for
// one that this version cannot read.
func DecodeEvent(typ string, schema int, payload []byte) (Event, error) {
	if schema != Schema {
		return nil, fmt.Errorf("%w: %s with schema %d", ErrUnknownEvent, typ, schema)
	}
	switch typ {
	case UserRegistered{}.Type():
		return decode[UserRegistered](payload)
	case ProfileChanged{}.Type():
		return decode[ProfileChanged](payload)
	case UserBlocked{}.Type():
		return decode[UserBlocked](payload)
	case UserUnblocked{}.Type():
		return decode[UserUnblocked](payload)
	case UserErased{}.Type():
		return decode[UserErased](payload)
	case ConversationCreated{}.Type():
		return decode[ConversationCreated](payload)
	case ConversationRenamed{}.Type():
		return decode[ConversationRenamed](payload)
	case MemberAdded{}.Type():
		return decode[MemberAdded](payload)
	case MemberRoleChanged{}.Type():
		return decode[MemberRoleChanged](payload)
	case MemberRemoved{}.Type():
		return decode[MemberRemoved](payload)
	case MemberErased{}.Type():
		return decode[MemberErased](payload)
	case MessageSent{}.Type():
		return decode[MessageSent](payload)
	case MessageEdited{}.Type():
		return decode[MessageEdited](payload)
	case MessageDeleted{}.Type():
		return decode[MessageDeleted](payload)
	case MessagePinned{}.Type():
		return decode[MessagePinned](payload)
	case MessageUnpinned{}.Type():
		return decode[MessageUnpinned](payload)
	case ReactionAdded{}.Type():
		return decode[ReactionAdded](payload)
	case ReactionRemoved{}.Type():
		return decode[ReactionRemoved](payload)
	case ReadAdvanced{}.Type():
		return decode[ReadAdvanced](payload)
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownEvent, typ)
}

func decode[E Event](payload []byte) (Event, error) {
	var e E
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("decode %s: %w", e.Type(), err)
	}
	return e, nil
}
