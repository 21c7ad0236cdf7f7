package realtime

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"ping/domain"
	"ping/internal/eventlog"
)

// The frames that the server makes; their tags are the contract's words. Two
// kinds are not among them: durable events, which the log encodes, once
// (eventlog.Event.Frame), and what package ephemeral publishes.
type (
	helloFrame struct {
		Type        string    `json:"type" enum:"hello"`
		SessionID   domain.ID `json:"session_id" doc:"The session whose end ends the stream."`
		Epoch       int       `json:"epoch" minimum:"1" example:"1" doc:"Of the log; another one than before voids all positions. Send it with resume."`
		HeartbeatMS int64     `json:"heartbeat_ms" example:"25000" doc:"How often the server pings; who is silent for twice as long is gone."`
		Limits      limits    `json:"limits"`
	}
	limits struct {
		FrameBytes      int   `json:"frame_bytes" example:"4096" doc:"The most of one frame of the client."`
		FramesPerSecond int   `json:"frames_per_second" example:"20" doc:"How fast a client may send for long; twice as many at once."`
		Refusals        int   `json:"refusals" example:"5" doc:"So many refused frames within a minute of one another close the stream."`
		ReplayEvents    int   `json:"replay_events" example:"1000" doc:"The most of one conversation that a resume replays; of more, a gap tells."`
		PendingBytes    int   `json:"pending_bytes" example:"1048576" doc:"The most that waits for a client that reads slowly."`
		ResumeWaitMS    int64 `json:"resume_wait_ms" example:"500" doc:"How long a resume is waited for that the request did not announce."`
		TypingExpiryMS  int64 `json:"typing_expiry_ms" example:"6000" doc:"How long a typing frame holds; repeat yours twice as often."`
		PresenceMembers int   `json:"presence_members" example:"100" doc:"The most members of a conversation in which presence is told."`
	}
	readyFrame struct {
		Type          string             `json:"type" enum:"ready"`
		UserID        domain.ID          `json:"user_id"`
		Conversations []conversationHead `json:"conversations" doc:"Those that the user is in now."`
		At            []string           `json:"at" doc:"One position a partition: where the stream begins, or the client's own when it resumes."`
	}
	conversationHead struct {
		ID  domain.ID `json:"id"`
		Seq int64     `json:"seq" minimum:"0" example:"42" doc:"Of its last event."`
	}
	resumedFrame struct {
		Type     string   `json:"type" enum:"resumed"`
		Replayed int      `json:"replayed" minimum:"0" example:"3" doc:"How many events were."`
		At       []string `json:"at" doc:"One position a partition: where the replay ended."`
	}
	// gapFrame has one of the two ids: UserID for the user's own stream.
	gapFrame struct {
		Type           string    `json:"type" enum:"gap"`
		ConversationID domain.ID `json:"conversation_id,omitzero"`
		UserID         domain.ID `json:"user_id,omitzero" doc:"In place of conversation_id, in the user's own stream."`
		FromSeq        int64     `json:"from_seq" minimum:"1" example:"4"`
		ToSeq          int64     `json:"to_seq" minimum:"1" example:"2004" doc:"The last one that was not replayed."`
	}
	// ephemeralGapFrame tells that this node did not hear for a while of what
	// is not to last.
	ephemeralGapFrame struct {
		Type    string `json:"type" enum:"ephemeral_gap"`
		AfterMS int64  `json:"after_ms" minimum:"0" example:"750" doc:"After that long read stealth messages and presence again; clients are told different times, so as not to ask at once."`
	}
	reconnectFrame struct {
		Type    string `json:"type" enum:"reconnect"`
		AfterMS int64  `json:"after_ms" minimum:"0" example:"1250" doc:"Come back after that long, and resume."`
		Reason  string `json:"reason" enum:"restart,busy" doc:"restart: the node is shutting down; busy: too many streams start at once."`
	}
	errorFrame struct {
		Type         string `json:"type" enum:"error"`
		Code         string `json:"code" example:"type_unknown" doc:"What was refused, for programs; never changes."`
		Message      string `json:"message" example:"This type of frame is not known; see the protocol." doc:"What was refused and what to do, for people."`
		Re           string `json:"re,omitempty" maxLength:"64" example:"7" doc:"The id of the frame that is refused, if it could be read and had one."`
		RetryAfterMS int64  `json:"retry_after_ms,omitempty" minimum:"1" example:"1000" doc:"After that long the same may be accepted."`
	}
	pongFrame struct {
		Type string `json:"type" enum:"pong"`
		Re   string `json:"re,omitempty" maxLength:"64" example:"7" doc:"The id of the ping."`
	}
)

// clientFrame is any frame of a client. Fields that a type does not have are
// ignored, so that a newer client can talk to an older server. What each type
// has is in client_frames.go.
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
	reason := closeReasons[code].reason
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
