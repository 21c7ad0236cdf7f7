package realtime

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"ping/domain"
	"ping/internal/eventlog"
)

// The frames that the server makes. Durable events are not among them: the
// log encodes those, once (eventlog.Event.Frame).
type (
	helloFrame struct {
		Type        string    `json:"type"`
		SessionID   domain.ID `json:"session_id"`
		Epoch       int       `json:"epoch"`
		HeartbeatMS int64     `json:"heartbeat_ms"`
		Limits      limits    `json:"limits"`
	}
	limits struct {
		FrameBytes   int   `json:"frame_bytes"`
		Refusals     int   `json:"refusals"`
		ReplayEvents int   `json:"replay_events"`
		PendingBytes int   `json:"pending_bytes"`
		ResumeWaitMS int64 `json:"resume_wait_ms"`
	}
	readyFrame struct {
		Type          string             `json:"type"`
		UserID        domain.ID          `json:"user_id"`
		Conversations []conversationHead `json:"conversations"`
		At            []string           `json:"at"`
	}
	conversationHead struct {
		ID  domain.ID `json:"id"`
		Seq int64     `json:"seq"`
	}
	resumedFrame struct {
		Type     string   `json:"type"`
		Replayed int      `json:"replayed"`
		At       []string `json:"at"`
	}
	// gapFrame has one of the two ids: UserID for the user's own stream.
	gapFrame struct {
		Type           string    `json:"type"`
		ConversationID domain.ID `json:"conversation_id,omitzero"`
		UserID         domain.ID `json:"user_id,omitzero"`
		FromSeq        int64     `json:"from_seq"`
		ToSeq          int64     `json:"to_seq"`
	}
	reconnectFrame struct {
		Type    string `json:"type"`
		AfterMS int64  `json:"after_ms"`
		Reason  string `json:"reason"`
	}
	// ephemeralGapFrame says that stealth messages, typing and presence may have
	// been missed: after that time they can be read over HTTP.
	ephemeralGapFrame struct {
		Type    string `json:"type"`
		AfterMS int64  `json:"after_ms"`
	}
	errorFrame struct {
		Type         string `json:"type"`
		Code         string `json:"code"`
		Message      string `json:"message"`
		Re           string `json:"re,omitempty"`
		RetryAfterMS int64  `json:"retry_after_ms,omitempty"`
	}
	pongFrame struct {
		Type string `json:"type"`
		Re   string `json:"re,omitempty"`
	}
)

// clientFrame is any frame of a client. Fields that a type does not have are
// ignored, so that a newer client can talk to an older server.
type clientFrame struct {
	Type        string   `json:"type"`
	ID          string   `json:"id"` // the client's own, echoed in re
	At          []string `json:"at"`
	Epoch       int      `json:"epoch"`
	AccessToken string   `json:"access_token"`
	// Of typing and presence.
	ConversationID domain.ID `json:"conversation_id"`
	On             bool      `json:"on"`
	State          string    `json:"state"`
}

// message makes the WebSocket message of a frame.
func message(frame any) []byte {
	payload, err := json.Marshal(frame)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", frame, err)) // made of strings and numbers
	}
	return appendMessage(make([]byte, 0, len(payload)+4), payload)
}

// appendMessage appends payload as one unmasked, unfragmented text message.
func appendMessage(b, payload []byte) []byte {
	const finalText = 0x81
	b = append(b, finalText)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = append(b, 126, byte(n>>8), byte(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// closeMessage makes the WebSocket close message of a code.
func closeMessage(code CloseCode) []byte {
	reason := closeReasons[code]
	b := append(make([]byte, 0, 4+len(reason)), closeOpcode, byte(2+len(reason)), byte(code>>8), byte(code))
	return append(b, reason...)
}

// pingMessage asks the client's WebSocket for a sign of life.
var pingMessage = []byte{0x89, 0}

// closeOpcode is the first byte of every close message of a server.
const closeOpcode = 0x88

// atStrings writes positions, one a partition, as clients see them.
func atStrings(positions []int64) []string {
	at := make([]string, len(positions))
	for p, position := range positions {
		at[p] = eventlog.At{Partition: p, Position: position}.String()
	}
	return at
}

// parseAt reads the positions of a `resume`. Partitions that it leaves out
// stand at 0: nothing of them was seen. ok is false for anything that is not
// a place in a log with so many partitions, and for a partition named twice.
func parseAt(at []string, partitions int) (positions []int64, ok bool) {
	if len(at) > partitions {
		return nil, false
	}
	positions = make([]int64, partitions)
	named := make([]bool, partitions)
	for _, text := range at {
		place, err := eventlog.ParseAt(text)
		if err != nil || place.Partition >= partitions || named[place.Partition] {
			return nil, false
		}
		positions[place.Partition], named[place.Partition] = place.Position, true
	}
	return positions, true
}
