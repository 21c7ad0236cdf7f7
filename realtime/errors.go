package realtime

import (
	"time"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/web"
)

// The refusals before the upgrade, in problem+json.
var (
	errUpgradeRequired = &domain.Error{Code: "upgrade_required", Message: "This is a WebSocket: send an upgrade request, version 13, over HTTP/1.1."}
	errSubprotocol     = &domain.Error{Code: "subprotocol_required", Message: "Offer the subprotocol " + Subprotocol + " in Sec-WebSocket-Protocol."}
	errOrigin          = &domain.Error{Code: "origin_not_allowed", Message: "Pages of this origin may not open a stream here."}
	errShuttingDown    = &domain.Error{Code: "shutting_down", Message: "This node is shutting down; try again, and another will answer."}
)

// upgradeRefusals are all of them.
var upgradeRefusals = []*domain.Error{
	errUpgradeRequired, errSubprotocol, errOrigin, errShuttingDown, web.ErrBusy, web.ErrUnauthenticated, auth.ErrTicketInvalid,
}

// refusal is the content of an `error` frame. The stream goes on after it.
type refusal struct {
	Code       string
	Message    string
	RetryAfter time.Duration // 0 where waiting does not help
}

// The codes of `error` frames; part of the contract.
var (
	errFrameInvalid    = refusal{"frame_invalid", "A frame is one JSON object with a type, in a text message.", 0}
	errFrameTooLarge   = refusal{"frame_too_large", "A frame has at most 4,096 bytes.", 0}
	errFrameBinary     = refusal{"frame_binary", "Frames are text messages; binary ones are not read.", 0}
	errFrameRate       = refusal{"rate_limited", "Frames come too fast; this one was not read. Send at most as many a second as hello says.", time.Second}
	errTypeUnknown     = refusal{"type_unknown", "This type of frame is not known; see the protocol.", 0}
	errResumeInvalid   = refusal{"resume_invalid", `at is a list of "partition:position", each partition of this log at most once.`, 0}
	errPositionUnknown = refusal{"position_unknown", "A position is beyond the end of the log: it is not of this log. The gaps that follow say what to read again.", 0}
	errEpochChanged    = refusal{"epoch_changed", "The log was restored and its positions begin anew. The gaps that follow say what to read again.", 0}
	errTokenInvalid    = refusal{"token_invalid", "The access token is not valid or has expired; the stream ends when the old one does.", 0}
	errTokenOfOther    = refusal{"token_of_other_user", "The access token is another user's; open a stream for each user.", 0}
	errPresenceInvalid = refusal{"presence_invalid", "A device's state is online, away or offline.", 0}
	errNotInside       = refusal{"conversation_not_found", "There is no such conversation, or you are not in it.", 0}
	errForbidden       = refusal{"forbidden", "Your role in this conversation does not allow that.", 0}
	errEphemeral       = refusal{"ephemeral_unavailable", "Stealth messages, typing and presence are away for the moment; messages are not affected. Try again later.", time.Second}
)

// refusals are all of them, for the contract and the metrics.
var refusals = []refusal{
	errFrameInvalid, errFrameTooLarge, errFrameBinary, errFrameRate, errTypeUnknown, errResumeInvalid, errPositionUnknown,
	errEpochChanged, errTokenInvalid, errTokenOfOther, errPresenceInvalid, errNotInside, errForbidden, errEphemeral,
}

// frame makes the frame that tells it; re is the id of the frame refused.
func (why refusal) frame(re string) errorFrame {
	return errorFrame{Type: "error", Code: why.Code, Message: why.Message, Re: re, RetryAfterMS: why.RetryAfter.Milliseconds()}
}
