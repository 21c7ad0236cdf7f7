package commands

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
	"ping/internal/web"
)

type sendStealthInput struct {
	web.Write
	ConversationID domain.ID `path:"conversation_id"`
	Body           struct {
		Body       string `json:"body" doc:"1-4,000 characters after trimming; kept byte for byte until it expires." example:"Meet me at nine."`
		TTLSeconds int    `json:"ttl_seconds,omitempty" minimum:"1" maximum:"86400" default:"60" doc:"The number of seconds until it expires." example:"60"`
	}
}

type stealthOutput struct {
	Replayed string `header:"Idempotent-Replayed" doc:"true for the answer to a retry: an earlier request sent the message."`
	Body     ephemeral.Stealth
}

func sendStealthOperation() huma.Operation {
	return reaching(http.MethodPost, conversationPath+"/stealth", "send-stealth", "Send a stealth message", http.StatusCreated, "stealth",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrBlocked, domain.ErrUserErased, domain.ErrBodyEmpty, domain.ErrBodyTooLong, domain.ErrBodyInvalid, ephemeral.ErrTooManyStealth, ephemeral.ErrUnavailable)
}

// sendStealth sends a message that is nowhere but in Redis, until it expires.
// The log is asked whether the caller may, and is told nothing.
func (c *ephemerals) sendStealth(ctx context.Context, in *sendStealthInput) (*stealthOutput, error) {
	send := domain.SendStealth{Actor: web.CallerFrom(ctx).UserID, Body: in.Body.Body}
	var err error
	if send.Blocked, err = c.blocks.blocked(ctx, in.ConversationID, send.Actor); err != nil {
		return nil, err
	}
	decided, err := c.check(ctx, in.ConversationID, func(conversation *domain.Conversation) error { return conversation.SendStealth(send) })
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	posted, replayed, err := c.Ephemeral.Post(ctx, ephemeral.Stealth{
		ID: eventlog.NewID(), ConversationID: in.ConversationID, AuthorID: send.Actor, Body: send.Body,
		SentAt: now, ExpiresAt: now.Add(time.Duration(in.Body.TTLSeconds) * time.Second),
	}, decided.Position, in.Key, in.Request())
	if err != nil {
		return nil, err
	}
	out := &stealthOutput{Body: posted}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

type withdrawStealthInput struct {
	web.Action
	ConversationID domain.ID `path:"conversation_id"`
	StealthID      domain.ID `path:"stealth_id"`
}

func withdrawStealthOperation() huma.Operation {
	return reaching(http.MethodDelete, conversationPath+"/stealth/{stealth_id}", "withdraw-stealth", "Withdraw a stealth message", http.StatusNoContent, "stealth",
		domain.ErrConversationNotFound, domain.ErrForbidden, ephemeral.ErrUnavailable)
}

// withdrawStealth takes a stealth message back. It succeeds when it is gone
// already: what was asked for is so.
func (c *ephemerals) withdrawStealth(ctx context.Context, in *withdrawStealthInput) (*struct{}, error) {
	author := web.CallerFrom(ctx).UserID
	_, err := c.check(ctx, in.ConversationID, func(conversation *domain.Conversation) error { return conversation.WithdrawStealth(author) })
	if err == nil {
		err = c.Ephemeral.Withdraw(ctx, in.ConversationID, in.StealthID, author)
	}
	return nil, err
}

// check decides on the newest state what leaves no trace in the log. It returns
// the conversation's last position that the decision knew of.
func (c *ephemerals) check(ctx context.Context, conversation domain.ID, decision func(*domain.Conversation) error) (eventlog.At, error) {
	refusal, at, err := eventlog.Inspect(ctx, c.Log, eventlog.Conversations, conversation, decision)
	if err == nil {
		err = refusal
	}
	return at, err
}
