package realtime

import "time"

// Limits that are part of the protocol or follow from it.
const (
	// maxFrame bounds a client's frame, in bytes; a larger one is refused.
	maxFrame = 4 << 10
	// maxMessage bounds what is read of a client's message before the
	// connection is closed with 1009 (message too big).
	maxMessage = 64 << 10
	// maxRefusals is how many frames are refused before the stream is closed;
	// the count begins anew after refusalsForgotten without one.
	maxRefusals       = 5
	refusalsForgotten = time.Minute
	// framesPerSecond is how fast a client may send frames for long, and
	// frameBurst how many at once; more are refused.
	framesPerSecond = 20
	frameBurst      = 40
	// newsPerSecond and newsBurst bound how often a stream tells others that its
	// user types, or how he is to be seen: it reaches all members.
	newsPerSecond = 2
	newsBurst     = 10
	// bytesPerSecond and byteBurst bound all that is read of a client, which is
	// somewhat more than its frames may have.
	bytesPerSecond = 96 << 10
	byteBurst      = 256 << 10
	// maxReference bounds a client frame's id, in bytes.
	maxReference = 64
	// announcedWait is how long an announced `resume` is waited for.
	announcedWait = 10 * time.Second
	// busyLeast is how long a client stays away at least that comes when too many
	// do.
	busyLeast = time.Second
	// hubWait is how long a stream waits for this node's tail to reach a
	// position that the client or the read models have seen already.
	hubWait = 2 * time.Second
	// snapshotUsers is for how many users the memberships are read at once, at
	// most, and snapshotWait for how long that is waited for.
	snapshotUsers = 64
	snapshotWait  = 10 * time.Second
	// readBuffer is what each stream has for reading, in bytes: enough for most
	// frames of clients and for any control message, which gorilla asks for.
	readBuffer = 256
	// sendBuffer is the kernel's buffer for one client, in bytes. The default
	// grows to megabytes, in which a stalled client hides.
	sendBuffer = 64 << 10
	// writeWait is how long one write to a client that does not read may take.
	writeWait = 15 * time.Second
	// closingMost is how long a client that reads slowly may take to come to the
	// close message.
	closingMost = 30 * time.Second
	// replayPage bounds the events that one read of a replay takes.
	replayPage = 256
	// presenceMembers is how many members a conversation has at most for them to
	// be told of each other's presence.
	presenceMembers = 100
	// droppedAbove is how many bytes wait for a client, at most, for it to be
	// given typing and presence: it has more to read than it can.
	droppedAbove = 64 << 10
	// maxChanges bounds the membership changes remembered a partition.
	maxChanges = 4096
)
