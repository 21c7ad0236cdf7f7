package ephemeral

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ping/domain"
)

// Stealth is a stealth message, as the contract has it.
type Stealth struct {
	ID             domain.ID `json:"id"`
	ConversationID domain.ID `json:"conversation_id"`
	AuthorID       domain.ID `json:"author_id"`
	Body           string    `json:"body" example:"Meet me at nine."`
	SentAt         time.Time `json:"sent_at"`
	ExpiresAt      time.Time `json:"expires_at" doc:"From then on it is nowhere."`
}

// Presence is how a user is seen by those who share a conversation with him.
type Presence struct {
	UserID   domain.ID  `json:"user_id"`
	State    State      `json:"state" enum:"online,away,offline"`
	LastSeen *time.Time `json:"last_seen" doc:"When he was last online or away; null unless he is offline, and where it is not known."`
}

// State is a device's or a user's: of several, the greatest counts.
type State int

// The states, in the order in which they count.
const (
	Offline State = iota
	Away
	Online
)

var stateNames = [...]string{"offline", "away", "online"}

func (s State) String() string { return stateNames[s] }

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *State) UnmarshalText(name []byte) error {
	state, ok := ParseState(string(name))
	if !ok {
		return errState
	}
	*s = state
	return nil
}

var errState = errors.New("a state is online, away or offline")

// ParseState reads what String writes.
func ParseState(name string) (State, bool) {
	for s, known := range stateNames {
		if known == name {
			return State(s), true
		}
	}
	return Offline, false
}

// The frames that are published here and go to sockets as they are.
type (
	// StealthFrame tells a stealth message.
	StealthFrame struct {
		Type string `json:"type" enum:"stealth"`
		Stealth
	}
	// StealthGoneFrame tells that it is gone.
	StealthGoneFrame struct {
		Type           string    `json:"type" enum:"stealth_gone"`
		ConversationID domain.ID `json:"conversation_id"`
		ID             domain.ID `json:"id"`
		Reason         string    `json:"reason" enum:"expired,withdrawn" doc:"withdrawn: by its author."`
	}
	// TypingFrame tells that a member is writing, or not any more.
	TypingFrame struct {
		Type           string    `json:"type" enum:"typing"`
		ConversationID domain.ID `json:"conversation_id"`
		UserID         domain.ID `json:"user_id"`
		On             bool      `json:"on"`
		ExpiresInMS    int64     `json:"expires_in_ms,omitempty" minimum:"1" example:"6000" doc:"Stop showing it after that long, unless it comes again; absent when on is false."`
	}
	// PresenceFrame tells that a user's presence is another one.
	PresenceFrame struct {
		Type string `json:"type" enum:"presence"`
		Presence
	}
)

// encode makes a frame's JSON.
func encode(frame any) []byte {
	b, err := json.Marshal(frame)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", frame, err)) // made of strings and numbers
	}
	return b
}
