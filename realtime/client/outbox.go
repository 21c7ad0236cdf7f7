package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Draft is a message to be sent.
type Draft struct {
	ConversationID string `json:"conversation_id"`
	Body           string `json:"body"`
	ReplyTo        string `json:"reply_to,omitempty"`
	// Key tells the server that it is the same message when it comes again. Send
	// makes one where there is none.
	Key string `json:"key"`
}

// Message is a message that was sent.
type Message struct {
	ID     string    `json:"id"` // also that of its event
	Seq    int64     `json:"seq"`
	SentAt time.Time `json:"sent_at"`
}

func (m *Message) complete() bool { return m.ID != "" }

// Sending is a message on its way.
type Sending struct {
	Draft Draft

	done    chan struct{}
	message Message
	err     error
}

// Done is closed when the message was sent or refused; after Run has returned,
// not before it runs again.
func (s *Sending) Done() <-chan struct{} { return s.done }

// Result is valid after Done. The error is a *Refusal.
func (s *Sending) Result() (Message, error) { return s.message, s.err }

// Send queues a message behind those of the same conversation, whether or not
// the client runs and is connected.
func (c *Client) Send(draft Draft) *Sending {
	if draft.Key == "" {
		draft.Key = uuid.NewString()
	}
	s := &Sending{Draft: draft, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	queue := c.queues[draft.ConversationID]
	c.queues[draft.ConversationID] = append(queue, s)
	if len(queue) == 0 && c.sends != nil {
		c.sends(draft.ConversationID)
	}
	return s
}

// Unsent returns what was neither sent nor refused, in order. A program that
// ends keeps it and gives each to Send when it is back: what had been sent
// without this client hearing of it is not sent twice, because of its key.
func (c *Client) Unsent() (drafts []Draft) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, queue := range c.queues {
		for _, s := range queue {
			drafts = append(drafts, s.Draft)
		}
	}
	return drafts
}

// sendAll sends what is queued of a conversation, one message after another:
// the next is not tried before the one before it was answered.
func (c *Client) sendAll(ctx context.Context, conversation string) {
	for s := c.nextToSend(conversation); s != nil; s = c.nextToSend(conversation) {
		body := map[string]string{"body": s.Draft.Body}
		if s.Draft.ReplyTo != "" {
			body["reply_to"] = s.Draft.ReplyTo
		}
		err := c.ask(ctx, request{
			method: http.MethodPost, path: "/v1/conversations/" + url.PathEscape(conversation) + "/messages",
			key: s.Draft.Key, body: body,
		}, &s.message)
		var refused *Refusal
		if err != nil && !errors.As(err, &refused) {
			return // Run has ended; it stays queued
		}
		s.err = err
		c.mu.Lock()
		c.queues[conversation] = slices.Delete(c.queues[conversation], 0, 1)
		c.mu.Unlock()
		close(s.done)
	}
}

// nextToSend forgets a conversation that has nothing more to send: the next
// Send to it begins anew.
func (c *Client) nextToSend(conversation string) *Sending {
	c.mu.Lock()
	defer c.mu.Unlock()
	if queue := c.queues[conversation]; len(queue) > 0 {
		return queue[0]
	}
	delete(c.queues, conversation)
	return nil
}
