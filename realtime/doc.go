// Package realtime serves sockets: one WebSocket per device, which carries what
// happens in all of its user's conversations. docs/protocol.md describes the
// protocol, package protocol has its frames and codes, and package contract makes
// the AsyncAPI document from them.
//
// # From the log to sockets
//
// The Hub follows each partition of the log with one goroutine. A partition has the
// rooms of its conversations, so its one lock orders changes of rooms against the
// events that have been dispatched.
//
// A run of events is encoded into one buffer; each socket's share is a list of pieces
// of it, written by one non-blocking system call. What the kernel does not take is
// pending, and a goroutine waits for the client until everything is written
// (package transport). Too many pending bytes close the socket; an event is never
// dropped on an open socket. When writing takes much of the node's time, partitions
// pause between runs for up to 20 ms, so that more frames share a write (pacer).
//
// The files follow an event: hub (follow), partition (dispatch, route), batch
// (flush), and in package transport live_buffer (SendLive), conn and queue.
//
// # Starting a socket
//
// startup brings one socket from the client's positions to live delivery. It reads
// the user's memberships together with the checkpoints of the read model and the
// heads of the log, in one query that sockets which start at the same time share.
// Then it waits until this node has dispatched events up to those positions and the
// client's, and attaches to each partition. Under the partition's lock it applies the
// membership changes since the checkpoint, which the partition remembers (or the log
// has), and enters the rooms. The partition's position is the cut-off.
//
// From then on the connection buffers live events. What lies between the client and
// the cut-off is replayed, from the last 2,048 events of a partition in memory or
// from the log, and then the buffer is flushed. If the buffer was too large, it was
// dropped, and the start repeats from the cut-off. So every event is either at or
// below the cut-off and replayed, or above it and live, whatever happens at the same
// time. A read model that lags or is missing makes the start slower, not wrong.
package realtime
