package transport

// liveBuffer holds live messages while what came before them is replayed. Its
// methods need the lock of its Conn.
type liveBuffer struct {
	buffering bool
	messages  []byte
	overflow  bool // messages were dropped: the replay must go on further
	// No replay brings ephemeral messages back: ephemeral says that some are in
	// messages, and missed that some were lost.
	ephemeral, missed bool
	// generation counts the subscriptions of the connection. Messages of an
	// earlier one may still be under way and are not for the present one.
	generation uint32
}

// start begins a new subscription.
func (l *liveBuffer) start() (generation uint32) {
	l.generation++
	l.missed = l.missed || l.generation > 1 // nothing is received between two subscriptions
	l.buffering, l.messages, l.overflow, l.ephemeral = true, nil, false, false
	return l.generation
}

// add keeps messages. When they exceed maxBytes it drops all of them.
func (l *liveBuffer) add(messages []byte, maxBytes int) {
	if len(l.messages)+len(messages) > maxBytes {
		l.messages, l.overflow = nil, true
		l.missed = l.missed || l.ephemeral
		return
	}
	l.messages = append(l.messages, messages...)
}

// StartBuffering begins a new subscription, whose live messages are buffered
// until FlushBuffer.
func (c *Conn) StartBuffering() (generation uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live.start()
}

// SendLive queues the live messages of a subscription, or buffers them.
func (c *Conn) SendLive(generation uint32, messages []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing || c.closed || generation != c.live.generation:
	case !c.live.buffering:
		c.send(messages)
	case c.live.overflow:
	default:
		c.live.add(messages, c.server.cfg.MaxPending/2)
	}
}

// SendEphemeral queues ephemeral messages that the client should not miss. Where
// it does, FlushBuffer reports it.
func (c *Conn) SendEphemeral(messages []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing || c.closed:
	case !c.live.buffering:
		c.send(messages)
	case c.live.overflow:
		c.live.missed = true
	default:
		c.live.ephemeral = true
		c.live.add(messages, c.server.cfg.MaxPending/2)
	}
}

// TrySendEphemeral queues ephemeral messages unless the client has more
// important ones to read. It returns false when it dropped them for that reason.
// A few are buffered during a start; FlushBuffer reports when there were more.
func (c *Conn) TrySendEphemeral(messages []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing || c.closed:
	case c.live.buffering && !c.live.overflow && len(c.live.messages)+len(messages) <= c.server.cfg.MaxPending/8:
		c.live.ephemeral = true
		c.live.messages = append(c.live.messages, messages...)
	case c.live.buffering:
		c.live.missed = true
	case c.queue.size() > maxBehind:
		return false
	default:
		c.send(messages)
	}
	return true
}

// FlushBuffer sends last and then the buffered messages, and ends the buffering.
// It returns false, sends nothing and goes on buffering when messages were
// dropped.
func (c *Conn) FlushBuffer(last []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live.overflow {
		return false
	}
	out := append(last, c.live.messages...)
	if c.live.missed {
		out = append(out, c.server.cfg.EphemeralGap()...)
	}
	if len(out) > 0 && !c.closing && !c.closed {
		c.send(out)
	}
	c.live.buffering, c.live.messages, c.live.missed = false, nil, false
	return true
}
