package oracle

// kernelHolds is more than what the kernel buffers for a socket with a small
// receive buffer: up to 4 MiB in Linux's default for the sending side.
const kernelHolds = 6 << 20

// StopReading notes that the socket does not read from now on.
func (s *Socket) StopReading(now int64) {
	s.MarkDown(now)
	for _, sub := range s.subscriptions {
		sub.ackedBefore = sub.conversation.acked()
	}
}

// ContinueReading notes the end of that. bodySize is the size of every body that
// was sent meanwhile.
func (s *Socket) ContinueReading(now, bodySize int64) {
	for _, sub := range s.subscriptions {
		s.due += (sub.conversation.acked() - sub.ackedBefore) * bodySize
		sub.continuedAt = sub.conversation.lastSeq.Load()
	}
	s.MarkUp(now) // until reading finds it closed
}

// CaughtUp reports whether the socket has received all that waited for it when
// it continued reading.
func (s *Socket) CaughtUp() bool {
	for _, sub := range s.subscriptions {
		if sub.last.Load() < sub.continuedAt && !sub.left.Load() {
			return false
		}
	}
	return true
}

// JudgeKept judges that a slow socket was never closed: a fault when more waited
// for it than the server allows (pending bytes) and the kernel holds.
func (s *Socket) JudgeKept(pending int64) {
	if pending > 0 && s.due > pending+kernelHolds {
		s.Report(Broken, "not closed as slow, though at least %d bytes waited and the limit is %d", s.due-kernelHolds, pending)
	}
}
