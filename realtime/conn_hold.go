package realtime

// deliver queues live messages of a subscription.
func (c *conn) deliver(generation uint32, messages []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing || c.closed || generation != c.generation:
	case !c.holding:
		c.write(messages)
	case c.overflow:
	default:
		c.keep(messages)
	}
}

// keep holds messages back; c.mu is held. When they become too many it drops
// them all.
func (c *conn) keep(messages []byte) {
	if len(c.held)+len(messages) > c.maxPending/2 {
		c.held, c.overflow = nil, true
		c.missed = c.missed || c.heldEphemeral
		return
	}
	c.held = append(c.held, messages...)
}

// push queues messages of the ephemeral lane that are not to be missed. Where
// they are, release says so.
func (c *conn) push(messages []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing || c.closed:
	case !c.holding:
		c.write(messages)
	case c.overflow:
		c.missed = true
	default:
		c.heldEphemeral = true
		c.keep(messages)
	}
}

// offer sends messages that may be missed, unless there is more important to
// read. It returns false when they were dropped for that. While a stream starts a
// few are held; where more come, release says so.
func (c *conn) offer(messages []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing || c.closed:
	case c.holding && !c.overflow && len(c.held)+len(messages) <= c.maxPending/8:
		c.heldEphemeral = true
		c.held = append(c.held, messages...)
	case c.holding:
		c.missed = true
	case c.queued() > droppedAbove:
		return false
	default:
		c.write(messages)
	}
	return true
}

// hold begins a new subscription, whose messages are held back.
func (c *conn) hold() (generation uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.missed = c.missed || c.generation > 1 // between two subscriptions nothing is heard
	c.holding, c.held, c.overflow, c.heldEphemeral = true, nil, false, false
	return c.generation
}

// release sends last and then the messages held back; from now on they are
// not. It returns false, sends nothing and goes on holding, when there were
// too many to keep.
func (c *conn) release(last []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.overflow {
		return false
	}
	out := append(last, c.held...)
	if c.missed {
		out = append(out, ephemeralGap()...)
	}
	if len(out) > 0 && !c.closing && !c.closed {
		c.write(out)
	}
	c.holding, c.held, c.missed = false, nil, false
	return true
}
