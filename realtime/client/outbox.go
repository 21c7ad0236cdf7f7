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
	// Key identifies the message in retries. Send sets a random one if it is empty.
	Key string `json:"key"`
}

// Message is a message that was sent.
type Message struct {
	ID     string    `json:"id"` // also the id of its event
	Seq    int64     `json:"seq"`
	SentAt time.Time `json:"sent_at"`
}

func (m *Message) valid() bool { return m.ID != "" }

// Sending is a message that is being sent.
type Sending struct {
	Draft Draft

	done    chan struct{}
	message Message
	err     error
}

// Done is closed when the message was sent or refused. While Run does not run, it
// is not closed.
func (s *Sending) Done() <-chan struct{} { return s.done }

// Result is valid after Done. The error is a *Refusal.
func (s *Sending) Result() (Message, error) { return s.message, s.err }

// Send queues a message after those of the same conversation. The client need not
// run or be connected.
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

// Unsent returns the messages that were neither sent nor refused, in order. A
// program that ends stores them and passes each to Send at its next start. A
// message whose answer was lost is not sent twice, because of its key.
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

// sendAll sends the queue of a conversation. A message is sent after its
// predecessor was answered.
func (c *Client) sendAll(ctx context.Context, conversation string) {
	for s := c.nextToSend(conversation); s != nil; s = c.nextToSend(conversation) {
		body := map[string]string{"body": s.Draft.Body}
		if s.Draft.ReplyTo != "" {
			body["reply_to"] = s.Draft.ReplyTo
		}
		err := c.do(ctx, request{
			method: http.MethodPost, path: "/v1/conversations/" + url.PathEscape(conversation) + "/messages",
			key: s.Draft.Key, body: body,
		}, &s.message)
		var refused *Refusal
		if err != nil && !errors.As(err, &refused) {
			return // Run has ended; the message stays queued
		}
		s.err = err
		c.mu.Lock()
		c.queues[conversation] = slices.Delete(c.queues[conversation], 0, 1)
		c.mu.Unlock()
		close(s.done)
	}
}

// nextToSend returns the first message of a queue. It removes an empty queue, so
// that the next Send starts a goroutine.
func (c *Client) nextToSend(conversation string) *Sending {
	c.mu.Lock()
	defer c.mu.Unlock()
	if queue := c.queues[conversation]; len(queue) > 0 {
		return queue[0]
	}
	delete(c.queues, conversation)
	return nil
}
