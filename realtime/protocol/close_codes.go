package protocol

import "strconv"

// CloseCode is the reason for which the server closed a socket. Its number
// tells the client what to do: 4000-4499 reconnect and resume, 4500-4999 do
// not. Numbers are part of the contract and never change.
type CloseCode int

// After these codes a client reconnects, with backoff, and resumes.
const (
	// CloseRestart: this node is shutting down and another takes over. The
	// `reconnect` frame before it says when to reconnect.
	CloseRestart CloseCode = 4000
	// CloseSlow: the client read too slowly, and too many bytes waited for it.
	CloseSlow CloseCode = 4001
	// CloseExpired: the access token has expired; refresh it first.
	CloseExpired CloseCode = 4002
	// CloseResumeLate: `resume` came after live delivery had begun. Reconnect
	// with ?resume=1, for which the server waits.
	CloseResumeLate CloseCode = 4003
	// CloseInternal: something went wrong on the server.
	CloseInternal CloseCode = 4004
	// CloseBusy: too many sockets start at once on this node. The `reconnect`
	// frame before it says when to reconnect.
	CloseBusy CloseCode = 4005
)

// After these codes a client does not reconnect by itself.
const (
	// CloseProtocol: too many frames that the server could not accept.
	CloseProtocol CloseCode = 4500
	// CloseLoggedOut: the session was ended; log in again.
	CloseLoggedOut CloseCode = 4501
	// CloseErased: the user was erased.
	CloseErased CloseCode = 4502
)

// Codes of RFC 6455 that a client may receive as well. They all mean that the
// client broke the WebSocket protocol, so reconnecting does not help.
const (
	CloseMalformed   CloseCode = 1002 // sent by gorilla
	CloseInvalidText CloseCode = 1007
	CloseTooBig      CloseCode = 1009 // sent by gorilla
)

// CloseReasons lists every code that the server sends, with its name for
// programs and the reason in the close message.
var CloseReasons = map[CloseCode]struct{ Name, Reason string }{
	CloseRestart:     {"restart", "restart: reconnect and resume"},
	CloseSlow:        {"slow", "too slow: reconnect and resume"},
	CloseExpired:     {"expired", "access token expired: refresh it, reconnect and resume"},
	CloseResumeLate:  {"resume_late", "resume came too late: reconnect with ?resume=1"},
	CloseInternal:    {"internal", "internal error: reconnect and resume"},
	CloseBusy:        {"busy", "busy: reconnect later and resume"},
	CloseProtocol:    {"protocol", "too many invalid frames"},
	CloseLoggedOut:   {"logged_out", "session ended"},
	CloseErased:      {"erased", "user erased"},
	CloseMalformed:   {"malformed", "what came is not WebSocket"},
	CloseInvalidText: {"invalid_text", "text frames are UTF-8"},
	CloseTooBig:      {"too_big", "a message has at most 64 KiB"},
}

// Reconnect reports whether a client may reconnect and resume by itself after
// this code.
func (c CloseCode) Reconnect() bool { return c >= 4000 && c < 4500 }

func (c CloseCode) String() string { return strconv.Itoa(int(c)) + " " + CloseReasons[c].Reason }
