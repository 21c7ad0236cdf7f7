package protocol

import "time"

// Limits that clients have to know.
const (
	// MaxFrame bounds a client frame, in bytes. A larger frame is refused.
	MaxFrame = 4 << 10
	// MaxMessage bounds a client's WebSocket message, in bytes. A larger one
	// closes the socket with 1009 (message too big).
	MaxMessage = 64 << 10
	// MaxRefusals is the number of refused frames that closes the socket. The
	// count restarts after RefusalWindow without a refusal.
	MaxRefusals   = 5
	RefusalWindow = time.Minute
	// FramesPerSecond is the sustained rate of client frames, and FrameBurst
	// the number accepted at once. Frames above the rate are refused.
	FramesPerSecond = 20
	FrameBurst      = 40
	// BytesPerSecond and ByteBurst bound everything that is read from a client.
	// They leave some room above what its frames may have.
	BytesPerSecond = 96 << 10
	ByteBurst      = 256 << 10
	// MaxReference bounds the id of a client frame, in bytes.
	MaxReference = 64
	// PresenceMembers is the largest number of members of a conversation in
	// which presence is pushed.
	PresenceMembers = 100
)
