package protocol

import "ping/domain"

// The frames that the server makes. Their tags are the contract's words. Two
// kinds of frames are made elsewhere: the log encodes durable events, each once
// (eventlog.Event.Frame), and package ephemeral encodes what it publishes.
type (
	HelloFrame struct {
		Type        string    `json:"type" enum:"hello"`
		SessionID   domain.ID `json:"session_id" doc:"The session. The socket closes when it ends."`
		Epoch       int       `json:"epoch" minimum:"1" example:"1" doc:"The epoch of the log. When it differs from the last one, all known positions are void. Send it with resume."`
		HeartbeatMS int64     `json:"heartbeat_ms" example:"25000" doc:"The interval of the server's pings, in milliseconds. A client that is silent for twice as long is disconnected."`
		Limits      Limits    `json:"limits"`
	}
	Limits struct {
		FrameBytes      int   `json:"frame_bytes" example:"4096" doc:"The maximum size of a client frame, in bytes."`
		FramesPerSecond int   `json:"frames_per_second" example:"20" doc:"The sustained rate of client frames; twice as many are accepted at once."`
		Refusals        int   `json:"refusals" example:"5" doc:"The number of refused frames, each within a minute of the last, that closes the socket."`
		ReplayEvents    int   `json:"replay_events" example:"1000" doc:"The maximum number of events per conversation that a resume replays; a gap frame reports more."`
		PendingBytes    int   `json:"pending_bytes" example:"1048576" doc:"The maximum number of bytes that wait for a client that reads slowly."`
		ResumeWaitMS    int64 `json:"resume_wait_ms" example:"500" doc:"How long the server waits for a resume that the request did not announce, in milliseconds."`
		TypingExpiryMS  int64 `json:"typing_expiry_ms" example:"6000" doc:"How long a typing frame is valid, in milliseconds; repeat yours twice as often."`
		PresenceMembers int   `json:"presence_members" example:"100" doc:"The maximum number of members of a conversation in which presence is pushed."`
	}
	ReadyFrame struct {
		Type          string             `json:"type" enum:"ready"`
		UserID        domain.ID          `json:"user_id"`
		Conversations []ConversationHead `json:"conversations" doc:"The conversations that the user is a member of now."`
		At            []string           `json:"at" doc:"One position per partition: where live delivery begins, or the client's own positions when it resumes."`
	}
	ConversationHead struct {
		ID  domain.ID `json:"id"`
		Seq int64     `json:"seq" minimum:"0" example:"42" doc:"The seq of its last event."`
	}
	ResumedFrame struct {
		Type     string   `json:"type" enum:"resumed"`
		Replayed int      `json:"replayed" minimum:"0" example:"3" doc:"The number of events that were replayed."`
		At       []string `json:"at" doc:"One position per partition: where the replay ended."`
	}
	// GapFrame has one of the two ids: UserID for the user's own stream.
	GapFrame struct {
		Type           string    `json:"type" enum:"gap"`
		ConversationID domain.ID `json:"conversation_id,omitzero"`
		UserID         domain.ID `json:"user_id,omitzero" doc:"Replaces conversation_id for the user's own stream."`
		FromSeq        int64     `json:"from_seq" minimum:"1" example:"4"`
		ToSeq          int64     `json:"to_seq" minimum:"1" example:"2004" doc:"The seq of the last event that was not replayed."`
	}
	// EphemeralGapFrame reports that this node may have missed ephemeral
	// frames for a while.
	EphemeralGapFrame struct {
		Type    string `json:"type" enum:"ephemeral_gap"`
		AfterMS int64  `json:"after_ms" minimum:"0" example:"750" doc:"Read stealth messages and presence again after this time, in milliseconds. It differs between clients, so that they do not all ask at once."`
	}
	ReconnectFrame struct {
		Type    string `json:"type" enum:"reconnect"`
		AfterMS int64  `json:"after_ms" minimum:"0" example:"1250" doc:"Reconnect after this time, in milliseconds, and resume."`
		Reason  string `json:"reason" enum:"restart,busy" doc:"restart: the node is shutting down; busy: too many sockets start at once."`
	}
	ErrorFrame struct {
		Type         string `json:"type" enum:"error"`
		Code         string `json:"code" example:"type_unknown" doc:"The error code, for programs. It never changes."`
		Message      string `json:"message" example:"This type of frame is not known; see the protocol." doc:"What was refused and what to do, for people."`
		Re           string `json:"re,omitempty" maxLength:"64" example:"7" doc:"The id of the refused frame, if it could be read and had one."`
		RetryAfterMS int64  `json:"retry_after_ms,omitempty" minimum:"1" example:"1000" doc:"The same frame may be accepted after this time, in milliseconds."`
	}
	PongFrame struct {
		Type string `json:"type" enum:"pong"`
		Re   string `json:"re,omitempty" maxLength:"64" example:"7" doc:"The id of the ping."`
	}
)

// ClientFrame is any frame of a client. Fields that a type does not have are
// ignored, so that a newer client can talk to an older server. client_frames.go
// has the fields of each type.
type ClientFrame struct {
	Type        string   `json:"type"`
	ID          string   `json:"id"` // chosen by the client and echoed in re
	At          []string `json:"at"`
	Epoch       int      `json:"epoch"`
	AccessToken string   `json:"access_token"`
	// For typing and presence.
	ConversationID domain.ID `json:"conversation_id"`
	On             bool      `json:"on"`
	State          string    `json:"state"`
}
