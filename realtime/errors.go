package realtime

import (
	"time"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/web"
)

// The refusals before the upgrade, in problem+json.
var (
	errSubprotocol  = &domain.Error{Code: "subprotocol_required", Kind: domain.InvalidRequest, Message: "Offer the subprotocol " + Subprotocol + " in Sec-WebSocket-Protocol."}
	errOrigin       = &domain.Error{Code: "origin_not_allowed", Kind: domain.Forbidden, Message: "Pages of this origin may not open a stream here."}
	errShuttingDown = &domain.Error{Code: "shutting_down", Kind: domain.Unavailable, Message: "This node is shutting down; try again, and another will answer."}
)

// upgradeRefusals are all of them.
var upgradeRefusals = []*domain.Error{
	web.ErrUpgradeRequired, errSubprotocol, errOrigin, errShuttingDown, web.ErrBusy, web.ErrUnauthenticated, auth.ErrTicketInvalid,
	auth.ErrTicketsUnavailable,
}

// refusal is the content of an `error` frame. The stream goes on after it.
type refusal struct {
	Code       string
	Message    string
	RetryAfter time.Duration // 0: trying the same again does not help
}

// The codes of `error` frames; part of the contract.
var (
	errFrameInvalid    = refusal{Code: "frame_invalid", Message: "A frame is one JSON object with a type, in a text message."}
	errFrameTooLarge   = refusal{Code: "frame_too_large", Message: "A frame has at most 4,096 bytes."}
	errFrameBinary     = refusal{Code: "frame_binary", Message: "Frames are text messages; binary ones are not read."}
	errTypeUnknown     = refusal{Code: "type_unknown", Message: "This type of frame is not known; see the protocol."}
	errResumeInvalid   = refusal{Code: "resume_invalid", Message: `at is a list of "partition:position", each partition of this log at most once.`}
	errPositionUnknown = refusal{Code: "position_unknown", Message: "A position is beyond the end of the log: it is not of this log. The gaps that follow say what to read again."}
	errEpochChanged    = refusal{Code: "epoch_changed", Message: "The log was restored and its positions begin anew. The gaps that follow say what to read again."}
	errTokenInvalid    = refusal{Code: "token_invalid", Message: "The access token is not valid or has expired; the stream ends when the old one does."}
	errTokenOfOther    = refusal{Code: "token_of_other_user", Message: "The access token is another user's; open a stream for each user."}
	errFrameRate       = refusal{Code: "rate_limited", Message: "Frames come too fast; this one was not read. Send at most as many a second as hello says.", RetryAfter: time.Second}
	errPresenceInvalid = refusal{Code: "presence_invalid", Message: "A device's state is online, away or offline."}
	errNotInside       = refusal{Code: "conversation_not_found", Message: "There is no such conversation, or you are not in it."}
	errForbidden       = refusal{Code: "forbidden", Message: "Your role in this conversation does not allow that."}
	errEphemeral       = refusal{Code: "ephemeral_unavailable", Message: "Stealth messages, typing and presence are away for the moment; messages are not affected. Try again later.", RetryAfter: time.Second}
)

// refusals are all of them, for the contract and the metrics.
var refusals = []refusal{
	errFrameInvalid, errFrameTooLarge, errFrameBinary, errFrameRate, errTypeUnknown, errResumeInvalid, errPositionUnknown,
	errEpochChanged, errTokenInvalid, errTokenOfOther, errPresenceInvalid, errNotInside, errForbidden, errEphemeral,
}
