package protocol

import (
	"time"

	"ping/domain"
)

// Refusals before the upgrade, answered as problem+json. Package contract has
// the full list, with those of authentication.
var (
	ErrSubprotocol  = &domain.Error{Code: "subprotocol_required", Kind: domain.InvalidRequest, Message: "Offer the subprotocol " + Subprotocol + " in Sec-WebSocket-Protocol."}
	ErrOrigin       = &domain.Error{Code: "origin_not_allowed", Kind: domain.Forbidden, Message: "Pages of this origin may not open a socket here."}
	ErrShuttingDown = &domain.Error{Code: "shutting_down", Kind: domain.Unavailable, Message: "This node is shutting down. Retry, and another node will answer."}
)

// Refusal is the content of an `error` frame. The socket stays open after it.
type Refusal struct {
	Code       string
	Message    string
	RetryAfter time.Duration // 0: retrying the same frame does not help
}

// The codes of `error` frames are part of the contract.
var (
	ErrFrameInvalid         = Refusal{Code: "frame_invalid", Message: "A frame is one JSON object with a type, in a text message."}
	ErrFrameTooLarge        = Refusal{Code: "frame_too_large", Message: "A frame has at most 4,096 bytes."}
	ErrFrameBinary          = Refusal{Code: "frame_binary", Message: "Frames are text messages; binary messages are not read."}
	ErrTypeUnknown          = Refusal{Code: "type_unknown", Message: "This frame type is unknown; see the protocol."}
	ErrResumeInvalid        = Refusal{Code: "resume_invalid", Message: `at is a list of "partition:position", each partition of this log at most once.`}
	ErrPositionUnknown      = Refusal{Code: "position_unknown", Message: "A position is beyond the end of the log, so it belongs to another log. The gap frames that follow say what to read again."}
	ErrEpochChanged         = Refusal{Code: "epoch_changed", Message: "The log was restored and its positions restarted. The gap frames that follow say what to read again."}
	ErrTokenInvalid         = Refusal{Code: "token_invalid", Message: "The access token is invalid or has expired; the socket closes when the old token expires."}
	ErrTokenOfOtherUser     = Refusal{Code: "token_of_other_user", Message: "The access token belongs to another user; open a socket per user."}
	ErrFrameRate            = Refusal{Code: "rate_limited", Message: "Frames arrive too fast; this one was not read. Send at most limits.frames_per_second of hello.", RetryAfter: time.Second}
	ErrPresenceInvalid      = Refusal{Code: "presence_invalid", Message: "A device's state is online, away or offline."}
	ErrConversationNotFound = Refusal{Code: "conversation_not_found", Message: "There is no such conversation, or you are not a member of it."}
	ErrForbidden            = Refusal{Code: "forbidden", Message: "Your role in this conversation does not allow that."}
	ErrEphemeralUnavailable = Refusal{Code: "ephemeral_unavailable", Message: "Stealth messages, typing and presence are temporarily unavailable; other messages are not affected. Retry later.", RetryAfter: time.Second}
)

// Refusals lists all error codes, for the contract and the metrics.
var Refusals = []Refusal{
	ErrFrameInvalid, ErrFrameTooLarge, ErrFrameBinary, ErrFrameRate, ErrTypeUnknown, ErrResumeInvalid, ErrPositionUnknown,
	ErrEpochChanged, ErrTokenInvalid, ErrTokenOfOtherUser, ErrPresenceInvalid, ErrConversationNotFound, ErrForbidden, ErrEphemeralUnavailable,
}
