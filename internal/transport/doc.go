// Package transport is the server's end of a WebSocket: what comes before and
// after the frames of the protocol. It knows neither users nor conversations.
//
// Melody owns the life cycle of a socket: it upgrades the request, reads and
// closes. Our connection, Conn, lies beneath it: Melody and gorilla take it for
// the network connection. All writes go through Conn's queue, ours and the
// control messages of gorilla alike. Melody's own write path carries nothing,
// because it drops messages silently when its buffer is full. Conn also pings:
// see Read. docs/adr has the figures behind this division.
//
// A sender never waits. What the kernel takes at once is written at once, in one
// system call. The rest is pending, and a goroutine, which lives as long as
// there is any, waits for the client. An idle socket has no buffer. When more
// than Config.MaxPending bytes wait, the socket is closed with Config.TooSlow,
// and nothing else is dropped.
//
// Live messages are buffered while older ones are replayed (live_buffer.go), so
// that a client receives both in order and each once.
//
// A socket ends in one of three ways. CloseWith sends a close message after all
// that is queued and gives the client CloseGrace to read it. Close ends the
// connection at once. abort does so too, and discards what is in the kernel.
package transport
