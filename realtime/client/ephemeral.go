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
// more. Call it every 3 s while he does. Without a stream it is lost.
func (c *Client) Typing(ctx context.Context, conversation string, on bool) {
	c.tell(ctx, map[string]any{"type": "typing", "conversation_id": conversation, "on": on})
}

// Presence sets what others see of this device, over all connections: online,
// away or offline.
func (c *Client) Presence(ctx context.Context, state string) {
	c.mu.Lock()
	c.presence = state
	c.mu.Unlock()
	c.tellPresence(ctx)
}

func (c *Client) tellPresence(ctx context.Context) {
	c.mu.Lock()
	state := c.presence
	c.mu.Unlock()
	if state != "" {
		c.tell(ctx, map[string]any{"type": "presence", "state": state})
	}
}

// tell sends a frame if there is a stream. That it did not come through is not
// told: it would be old news.
func (c *Client) tell(ctx context.Context, frame any) {
	c.mu.Lock()
	s := c.stream
	c.mu.Unlock()
	if s != nil {
		_ = s.write(ctx, frame) // see above
	}
}

// opened lets others use a stream, and wakes who waits for the server.
func (c *Client) opened(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream = s
	close(c.online)
	c.online = make(chan struct{})
}

func (c *Client) closed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream = nil
}
