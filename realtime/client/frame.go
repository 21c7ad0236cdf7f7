package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Event is something that happened in a conversation, or to the user: either
// ConversationID or UserID is set.
type Event struct {
	At             string          `json:"at"` // partition:position
	ConversationID string          `json:"conversation_id,omitempty"`
	UserID         string          `json:"user_id,omitempty"`
	Seq            int64           `json:"seq"`
	Type           string          `json:"event"` // such as message.sent
	ID             string          `json:"id"`
	ActorID        string          `json:"actor_id"`
	RecordedAt     time.Time       `json:"recorded_at"`
	Data           json.RawMessage `json:"data"`
}

// stream returns the id of the log's stream in which Seq counts.
func (e *Event) stream() string {
	if e.ConversationID != "" {
		return e.ConversationID
	}
	return e.UserID
}

// Ephemeral is a frame that is not in the log. Type says which fields are set:
//
//	stealth        ConversationID, ID, AuthorID, Body, SentAt, ExpiresAt
//	stealth_gone   ConversationID, ID, Reason
//	typing         ConversationID, UserID, On; expiry is reported as off
//	presence       UserID, State, LastSeen
//	ephemeral_gap  AfterMS: after this delay, read GET …/stealth and …/presence
//	error          Code, Message, RetryAfterMS
//
// A connection does not repeat earlier frames: read GET …/stealth when the state
// is Resumed. The same stealth message may then arrive twice.
type Ephemeral struct {
	Type           string    `json:"type"`
	ConversationID string    `json:"conversation_id,omitzero"`
	UserID         string    `json:"user_id,omitzero"`
	ID             string    `json:"id,omitzero"`
	AuthorID       string    `json:"author_id,omitzero"`
	Body           string    `json:"body,omitzero"`
	SentAt         time.Time `json:"sent_at,omitzero"`
	ExpiresAt      time.Time `json:"expires_at,omitzero"`
	Reason         string    `json:"reason,omitzero"`
	On             bool      `json:"on,omitzero"`
	ExpiresInMS    int64     `json:"expires_in_ms,omitzero"`
	State          string    `json:"state,omitzero"`
	LastSeen       time.Time `json:"last_seen,omitzero"`
	AfterMS        int64     `json:"after_ms,omitzero"`
	Code           string    `json:"code,omitzero"`
	Message        string    `json:"message,omitzero"`
	RetryAfterMS   int64     `json:"retry_after_ms,omitzero"`
}

// frame is any frame of the server.
type frame struct {
	Type           string   `json:"type"`
	Epoch          int      `json:"epoch"`
	HeartbeatMS    int64    `json:"heartbeat_ms"`
	UserID         string   `json:"user_id"`
	Conversations  []head   `json:"conversations"`
	At             []string `json:"at"`
	ConversationID string   `json:"conversation_id"`
	FromSeq        int64    `json:"from_seq"`
	ToSeq          int64    `json:"to_seq"`
	AfterMS        int64    `json:"after_ms"`

	event     *Event     // set for an event
	ephemeral *Ephemeral // set for a frame that is not in the log, and for an error
}

type head struct {
	ID  string `json:"id"`
	Seq int64  `json:"seq"`
}

var errIncompleteEvent = errors.New("the event lacks its stream, seq or position")

// decode reads a frame. Of an unknown type it reads nothing else.
func decode(text []byte) (*frame, error) {
	var kind struct {
		Type string `json:"type"`
	}
	err := json.Unmarshal(text, &kind)
	f := &frame{Type: kind.Type}
	switch {
	case err != nil:
	case kind.Type == "event":
		f.event, err = decodeEvent(text)
	case slices.Contains([]string{"hello", "ready", "gap", "resumed", "reconnect"}, kind.Type):
		err = json.Unmarshal(text, f)
	case slices.Contains([]string{"stealth", "stealth_gone", "typing", "presence", "ephemeral_gap", "error"}, kind.Type):
		f.ephemeral = &Ephemeral{}
		err = json.Unmarshal(text, f.ephemeral)
	}
	if err != nil {
		return nil, fmt.Errorf("decode frame %q: %w", kind.Type, err)
	}
	return f, nil
}

func decodeEvent(text []byte) (*Event, error) {
	e := &Event{}
	if err := json.Unmarshal(text, e); err != nil {
		return nil, err
	}
	if e.stream() == "" || e.Seq < 1 || e.At == "" {
		return nil, errIncompleteEvent
	}
	return e, nil
}
