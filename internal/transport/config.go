package transport

import (
	"log/slog"
	"time"
)

// Config describes the sockets of a Server. All fields are required.
type Config struct {
	Subprotocol string
	// MaxMessage bounds a client's message, in bytes. A larger one closes the
	// socket with 1009 (message too big).
	MaxMessage int64
	// BytesPerSecond and ByteBurst bound everything that is read from a client:
	// fragments and pings cost as much as frames. A client above the rate is
	// closed with TooFast.
	BytesPerSecond, ByteBurst int
	// MaxPending bounds the bytes that wait for one client. A client for which
	// more wait is closed with TooSlow.
	MaxPending int
	// Heartbeat is the interval of pings. A client that is silent for twice as
	// long is disconnected.
	Heartbeat time.Duration
	// CloseGrace is how long a closed socket waits for a client that reads
	// nothing, before the connection is cut.
	CloseGrace time.Duration
	TooFast    Close
	TooSlow    Close
	// EphemeralGap makes the message that reports missed ephemeral messages.
	EphemeralGap func() []byte
	// Logger logs a panic of a socket's goroutine.
	Logger *slog.Logger
	// Ended is called once per socket with the code that it was closed with, or
	// with ClosedByClient or ConnectionLost. It must not block.
	Ended func(code int)
}

// Close is the content of a close message.
type Close struct {
	Code   int
	Reason string
}

// Codes for Config.Ended besides those of close messages.
const (
	ConnectionLost = 0 // the connection broke, or was cut
	ClosedByClient = 1 // a client may choose any code, so its code is not passed on
)

const (
	// readBuffer is the read buffer of a socket, in bytes. It holds most client
	// frames and every control message, which gorilla requires.
	readBuffer = 256
	// sendBuffer is the kernel's send buffer for one client, in bytes. The
	// default grows to megabytes, which hide a stalled client.
	sendBuffer = 64 << 10
	// writeTimeout bounds one write to a client that does not read.
	writeTimeout = 15 * time.Second
	// maxClosing is how long a client that reads slowly may take to reach the
	// close message.
	maxClosing = 30 * time.Second
	// maxBehind is the number of pending bytes above which a client gets no
	// messages that may be dropped: it has more to read than it can.
	maxBehind = 64 << 10
)
