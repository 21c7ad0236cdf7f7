package realtime

import "time"

const (
	// newsPerSecond and newsBurst bound how often a socket tells others that its
	// user is writing, or their presence: each change reaches all members.
	newsPerSecond = 2
	newsBurst     = 10
	// announcedWait is how long an announced `resume` is waited for.
	announcedWait = 10 * time.Second
	// busyLeast is the shortest time after which a client that came when too many
	// sockets were starting is asked to reconnect.
	busyLeast = time.Second
	// hubWait is how long a socket waits for this node's tail to reach a position
	// that the client or the read models have seen already.
	hubWait = 2 * time.Second
	// snapshotUsers bounds the users whose memberships one query reads, and
	// snapshotWait how long the query may take.
	snapshotUsers = 64
	snapshotWait  = 10 * time.Second
	// sendSize is about how many bytes of a replay are sent at once.
	sendSize = 64 << 10
	// replayPage bounds the events that one read of a replay returns.
	replayPage = 256
	// maxChanges bounds the membership changes remembered per partition.
	maxChanges = 4096
)
