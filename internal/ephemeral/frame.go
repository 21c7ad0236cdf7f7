package ephemeral

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ping/domain"
)

// Stealth is a stealth message in the contract.
type Stealth struct {
	ID             domain.ID `json:"id"`
	ConversationID domain.ID `json:"conversation_id"`
	AuthorID       domain.ID `json:"author_id"`
	Body           string    `json:"body" example:"Meet me at nine."`
	SentAt         time.Time `json:"sent_at"`
	ExpiresAt      time.Time `json:"expires_at" doc:"From then on it is nowhere."`
}

// Presence is the presence of a user, for members of shared conversations.
type Presence struct {
	UserID   domain.ID  `json:"user_id"`
	State    State      `json:"state" enum:"online,away,offline"`
	LastSeen *time.Time `json:"last_seen" doc:"When the user was last online or away; null unless they are offline, or if it is unknown."`
}

// State is the presence of a device or a user; of several, the greatest counts.
type State int

// The states, in ascending order.
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

// The frames that are published as they are sent to sockets.
type (
	// StealthFrame carries a stealth message.
	StealthFrame struct {
		Type string `json:"type" enum:"stealth"`
		Stealth
	}
	// StealthGoneFrame says that it expired or was withdrawn.
	StealthGoneFrame struct {
		Type           string    `json:"type" enum:"stealth_gone"`
		ConversationID domain.ID `json:"conversation_id"`
		ID             domain.ID `json:"id"`
		Reason         string    `json:"reason" enum:"expired,withdrawn" doc:"withdrawn: by its author."`
	}
	// TypingFrame says that a member is typing or stopped.
	TypingFrame struct {
		Type           string    `json:"type" enum:"typing"`
		ConversationID domain.ID `json:"conversation_id"`
		UserID         domain.ID `json:"user_id"`
		On             bool      `json:"on"`
		ExpiresInMS    int64     `json:"expires_in_ms,omitempty" minimum:"1" example:"6000" doc:"Stop showing it after that long, unless it comes again; absent when on is false."`
	}
	// PresenceFrame says that a user's presence changed.
	PresenceFrame struct {
		Type string `json:"type" enum:"presence"`
		Presence
	}
)

// encode returns a frame as JSON.
func encode(frame any) []byte {
	b, err := json.Marshal(frame)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", frame, err)) // made of strings and numbers
	}
	return b
}
