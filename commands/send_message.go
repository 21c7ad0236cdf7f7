package commands

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

type sendMessageInput struct {
	web.Write
	ConversationID domain.ID `path:"conversation_id"`
	Body           struct {
		Body    string     `json:"body" doc:"1-4,000 characters after trimming; stored byte for byte." example:"Good morning!"`
		ReplyTo *domain.ID `json:"reply_to,omitempty" nullable:"true" doc:"The id of a message of the same conversation."`
	}
}

type messageOutput struct {
	web.Written
	Body web.Message
}

func sendMessageOperation() huma.Operation {
	return reaching(http.MethodPost, messagesPath, "send-message", "Send a message", http.StatusCreated, "messages",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrBlocked, domain.ErrUserErased, domain.ErrMessageNotFound, domain.ErrBodyEmpty, domain.ErrBodyTooLong, domain.ErrBodyInvalid)
}

// sendMessage adds a message to a conversation.
func (c *messages) sendMessage(ctx context.Context, in *sendMessageInput) (*messageOutput, error) {
	send := domain.SendMessage{
		Actor: web.CallerFrom(ctx).UserID, MessageID: eventlog.NewID(), Body: in.Body.Body,
	}
	if err := c.address(ctx, in.ConversationID, &send); err != nil {
		return nil, err
	}
	repliable := true
	if in.Body.ReplyTo != nil {
		var err error
		send.ReplyTo = *in.Body.ReplyTo
		if repliable, err = c.isMessage(ctx, in.ConversationID, send.ReplyTo); err != nil {
			return nil, err
		}
	}
	done, err := c.decide(ctx, command(in.ConversationID, send.Actor, in.Key, in.Request()),
		func(conversation *domain.Conversation, _ int64) ([]domain.Event, error) {
			events, err := conversation.SendMessage(send)
			if err == nil && !repliable {
				// Asked last: someone outside learns nothing of what is inside.
				return nil, domain.ErrMessageNotFound
			}
			return events, err
		})
	if err != nil {
		return nil, err
	}
	sent := domain.MessageSent{Body: send.Body, ReplyTo: send.ReplyTo}
	if done.Replayed || len(send.Mentions) > 0 {
		if sent, err = payload[domain.MessageSent](done.Events[0]); err != nil {
			return nil, err
		}
	}
	return &messageOutput{Written: written(done), Body: sentMessage(done.Events[0], sent)}, nil
}

// address looks up the mentioned users, and whether a member of a direct
// conversation has blocked the other.
func (c *messages) address(ctx context.Context, conversation domain.ID, send *domain.SendMessage) (err error) {
	if handles := domain.Handles(send.Body); len(handles) > 0 {
		if send.Mentions, err = c.Identities.ByHandles(ctx, handles); err != nil {
			return err
		}
	}
	send.Blocked, err = c.blocks.blocked(ctx, conversation, send.Actor)
	return err
}

// isMessage reports whether id is a message of the conversation.
func (c *messages) isMessage(ctx context.Context, conversation, id domain.ID) (bool, error) {
	e, err := c.Log.EventByID(ctx, id)
	if errors.Is(err, eventlog.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return e.Stream == conversation && e.Type == (domain.MessageSent{}).Type(), nil
}

// sentMessage is a message as its message.sent leaves it.
func sentMessage(e *eventlog.Event, sent domain.MessageSent) web.Message {
	m := web.Message{
		ID: e.ID, ConversationID: e.Stream, Seq: e.Version, AuthorID: e.Actor, Body: sent.Body,
		Mentions: sent.Mentions, Reactions: []web.Reaction{}, SentAt: e.RecordedAt,
	}
	if m.Mentions == nil {
		m.Mentions = []domain.ID{}
	}
	if !sent.ReplyTo.IsZero() {
		m.ReplyTo = &sent.ReplyTo
	}
	return m
}
