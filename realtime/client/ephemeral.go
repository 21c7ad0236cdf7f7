package client

import (
	"context"
	"time"
)

// typist is who types where.
type typist struct{ conversation, user string }

// typists are those who type now, and until when that holds unless it is told
// again.
type typists map[typist]time.Time

// hear notes what a frame says of typing.
func (t *typists) hear(e *Ephemeral) {
	who := typist{e.ConversationID, e.UserID}
	switch {
	case e.Type != "typing":
	case !e.On:
		delete(*t, who)
	default:
		if *t == nil {
			*t = typists{}
		}
		(*t)[who] = time.Now().Add(time.Duration(e.ExpiresInMS) * time.Millisecond)
	}
}

// due returns a channel that tells when the next one expires.
func (t typists) due() <-chan time.Time {
	var next time.Time
	for _, until := range t {
		if next.IsZero() || until.Before(next) {
			next = until
		}
	}
	if next.IsZero() {
		return nil
	}
	return time.After(time.Until(next))
}

// expire tells of those whose time is over.
func (t typists) expire(tell func(Ephemeral)) {
	now := time.Now()
	for who, until := range t {
		if !until.After(now) {
			t.stop(who, tell)
		}
	}
}

// forget tells that nobody types: nothing is known without a stream.
func (t *typists) forget(tell func(Ephemeral)) {
	for who := range *t {
		t.stop(who, tell)
	}
}

// stop tells that someone does not type any more, if he did.
func (t typists) stop(who typist, tell func(Ephemeral)) {
	if _, types := t[who]; types {
		delete(t, who)
		tell(Ephemeral{Type: "typing", ConversationID: who.conversation, UserID: who.user})
	}
}

// Typing tells the others of a conversation that the user types, or does no
// more. Call it every 3 s while he does. It is lost unless the state is Resumed:
// before, the server may not know yet that he is in the conversation.
func (c *Client) Typing(conversation string, on bool) {
	c.mu.Lock()
	s, resumed := c.stream, c.resumed
	c.mu.Unlock()
	if resumed {
		s.tell(map[string]any{"type": "typing", "conversation_id": conversation, "on": on})
	}
}

// Presence sets what others see of this device, over all connections: online,
// away or offline.
func (c *Client) Presence(state string) {
	c.mu.Lock()
	c.presence = state
	c.mu.Unlock()
	c.tellPresence()
}

// tellPresence says the newest presence over the open stream.
func (c *Client) tellPresence() {
	c.presenting.Lock()
	defer c.presenting.Unlock()
	c.mu.Lock()
	s, state := c.stream, c.presence
	c.mu.Unlock()
	if s != nil && state != "" {
		s.tell(map[string]any{"type": "presence", "state": state})
	}
}

// tell sends a frame. That it did not come through is not told: it would be old
// news. The context is not the app's: one that ends in the midst of a write ends
// the connection.
func (s *stream) tell(frame any) { _ = s.write(context.Background(), frame) }

// opened lets others use a stream, and wakes who waits for the server. Presence
// follows resume at once: until then the server takes the device for online.
func (c *Client) opened(s *stream) {
	c.mu.Lock()
	c.stream = s
	close(c.online)
	c.online = make(chan struct{})
	c.mu.Unlock()
	c.tellPresence()
}

// caughtUp notes that all that was missed has come.
func (c *Client) caughtUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resumed = true
}

func (c *Client) closed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream, c.resumed = nil, false
}
