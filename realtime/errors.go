package realtime

// refusal is the content of an `error` frame. The stream goes on after it.
type refusal struct {
	Code    string
	Message string
}

// The codes of `error` frames; part of the contract.
var (
	errFrameInvalid    = refusal{"frame_invalid", "A frame is one JSON object with a type, in a text message."}
	errFrameTooLarge   = refusal{"frame_too_large", "A frame has at most 4,096 bytes."}
	errFrameBinary     = refusal{"frame_binary", "Frames are text messages; binary ones are not read."}
	errTypeUnknown     = refusal{"type_unknown", "This type of frame is not known; see the protocol."}
	errResumeInvalid   = refusal{"resume_invalid", `at is a list of "partition:position", each partition of this log at most once.`}
	errPositionUnknown = refusal{"position_unknown", "A position is beyond the end of the log: it is not of this log. The gaps that follow say what to read again."}
	errEpochChanged    = refusal{"epoch_changed", "The log was restored and its positions begin anew. The gaps that follow say what to read again."}
	errTokenInvalid    = refusal{"token_invalid", "The access token is not valid or has expired; the stream ends when the old one does."}
	errTokenOfOther    = refusal{"token_of_other_user", "The access token is another user's; open a stream for each user."}
	errFrameRate       = refusal{"rate_limited", "Frames come too fast; this one was not read. Send at most as many a second as hello says."}
	errPresenceInvalid = refusal{"presence_invalid", "A device's state is online, away or offline."}
	errNotInside       = refusal{"conversation_not_found", "There is no such conversation, or you are not in it."}
	errForbidden       = refusal{"forbidden", "Your role in this conversation does not allow that."}
	errEphemeral       = refusal{"ephemeral_unavailable", "Stealth messages, typing and presence are away for the moment; messages are not affected. Try again later."}
)
