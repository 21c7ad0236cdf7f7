package client

import (
	"context"
	"time"
)

// typist is a user who types in a conversation.
type typist struct{ conversation, user string }

// typists are the users who type now, and when that expires.
type typists map[typist]time.Time

// update applies a typing frame.
func (t *typists) update(e *Ephemeral) {
	key := typist{e.ConversationID, e.UserID}
	switch {
	case e.Type != "typing":
	case !e.On:
		delete(*t, key)
	default:
		if *t == nil {
			*t = typists{}
		}
		(*t)[key] = time.Now().Add(time.Duration(e.ExpiresInMS) * time.Millisecond)
	}
}

// nextExpiry returns a channel that receives when the first of them expires.
func (t *typists) nextExpiry() <-chan time.Time {
	var next time.Time
	for _, until := range *t {
		if next.IsZero() || until.Before(next) {
			next = until
		}
	}
	if next.IsZero() {
		return nil
	}
	return time.After(time.Until(next))
}

// expire reports those that have expired as stopped.
func (t *typists) expire(report func(Ephemeral)) {
	now := time.Now()
	for key, until := range *t {
		if !until.After(now) {
			t.stop(key, report)
		}
	}
}

// clear reports all as stopped: without a connection nothing is known of them.
func (t *typists) clear(report func(Ephemeral)) {
	for key := range *t {
		t.stop(key, report)
	}
}

// stop reports that a user stopped typing, if they were.
func (t *typists) stop(key typist, report func(Ephemeral)) {
	if _, types := (*t)[key]; types {
		delete(*t, key)
		report(Ephemeral{Type: "typing", ConversationID: key.conversation, UserID: key.user})
	}
}

// Typing tells the other members of a conversation that the user is typing, or
// stopped. Call it every 3 s while they type. It has no effect unless the state
// is Resumed: before, the server may not know yet that the user is a member.
func (c *Client) Typing(conversation string, on bool) {
	c.mu.Lock()
	conn, resumed := c.conn, c.resumed
	c.mu.Unlock()
	if resumed {
		conn.trySend(map[string]any{"type": "typing", "conversation_id": conversation, "on": on})
	}
}

// Presence sets what others see of this device, on all connections: online,
// away or offline.
func (c *Client) Presence(state string) {
	c.mu.Lock()
	c.presence = state
	c.mu.Unlock()
	c.sendPresence()
}

// sendPresence sends the newest presence on the open connection.
func (c *Client) sendPresence() {
	c.presenceMu.Lock()
	defer c.presenceMu.Unlock()
	c.mu.Lock()
	conn, state := c.conn, c.presence
	c.mu.Unlock()
	if conn != nil && state != "" {
		conn.trySend(map[string]any{"type": "presence", "state": state})
	}
}

// trySend sends a frame and drops errors, since a retry would be out of date. Its
// context is not the app's: one that ends during a write ends the connection.
func (conn *connection) trySend(frame any) { _ = conn.write(context.Background(), frame) }

// setConnected publishes an open connection and wakes those that wait for the
// server. Presence follows resume at once: until then the server takes the device
// for online.
func (c *Client) setConnected(conn *connection) {
	c.mu.Lock()
	c.conn = conn
	close(c.online)
	c.online = make(chan struct{})
	c.mu.Unlock()
	c.sendPresence()
}

func (c *Client) setResumed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resumed = true
}

func (c *Client) setDisconnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.resumed = nil, false
}
