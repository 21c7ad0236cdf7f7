package realtime

import "strconv"

// CloseCode is why the server closed a stream. Its number tells the client
// what to do: 4000-4499 reconnect and resume, 4500-4999 do not. Numbers are
// part of the contract and never change.
type CloseCode int

// After these a client reconnects, with backoff, and resumes.
const (
	// CloseRestart: this node is shutting down; another takes over. The frame
	// `reconnect` before it says after how long to come back.
	CloseRestart CloseCode = 4000
	// CloseSlow: the client read too slowly and too much waited for it.
	CloseSlow CloseCode = 4001
	// CloseExpired: the access token has expired; refresh it first.
	CloseExpired CloseCode = 4002
	// CloseResumeLate: `resume` came after the stream had begun. Reconnect with
	// ?resume=1, for which the server waits.
	CloseResumeLate CloseCode = 4003
	// CloseInternal: something went wrong on the server.
	CloseInternal CloseCode = 4004
	// CloseBusy: too many streams begin at once on this node. The frame
	// `reconnect` before it says after how long to come back.
	CloseBusy CloseCode = 4005
)

// After these a client does not reconnect by itself.
const (
	// CloseProtocol: too many frames that the server could not accept.
	CloseProtocol CloseCode = 4500
	// CloseLoggedOut: the session was ended; log in again.
	CloseLoggedOut CloseCode = 4501
	// CloseErased: the user is erased; there is nobody to log in as.
	CloseErased CloseCode = 4502
)

// Codes of RFC 6455 that a client may see as well. All of them mean that the
// client broke the WebSocket protocol, so reconnecting does not help.
const (
	closeMalformed   CloseCode = 1002 // sent by gorilla
	closeInvalidText CloseCode = 1007
	closeTooBig      CloseCode = 1009 // sent by gorilla
)

// closeReasons have every code that the server closes with: its name, for
// programs and metrics, and the reason that the close message tells.
var closeReasons = map[CloseCode]struct{ name, reason string }{
	CloseRestart:     {"restart", "restart: reconnect and resume"},
	CloseSlow:        {"slow", "too slow: reconnect and resume"},
	CloseExpired:     {"expired", "access token expired: refresh it, reconnect and resume"},
	CloseResumeLate:  {"resume_late", "resume came too late: reconnect with ?resume=1"},
	CloseInternal:    {"internal", "internal error: reconnect and resume"},
	CloseBusy:        {"busy", "busy: reconnect later and resume"},
	CloseProtocol:    {"protocol", "too many invalid frames"},
	CloseLoggedOut:   {"logged_out", "session ended"},
	CloseErased:      {"erased", "user erased"},
	closeMalformed:   {"malformed", "what came is not WebSocket"},
	closeInvalidText: {"invalid_text", "text frames are UTF-8"},
	closeTooBig:      {"too_big", "a message has at most 64 KiB"},
}

// Reconnect reports whether a client may reconnect and resume by itself after
// this code.
func (c CloseCode) Reconnect() bool { return c >= 4000 && c < 4500 }

func (c CloseCode) String() string { return strconv.Itoa(int(c)) + " " + closeReasons[c].reason }
