package commands

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/erasure"
	"ping/internal/eventlog"
	"ping/internal/web"
)

// Config tunes the commands.
type Config struct {
	// BcryptCost is the work factor of password hashes (10). Each step doubles
	// the time that a login takes, and that a thief of the table needs.
	BcryptCost int
}

// ReadConversation answers how a user sees a conversation, in a read model
// that has seen everything up to at. Its one use is to answer for a direct
// conversation that exists already.
type ReadConversation func(ctx context.Context, user, conversation domain.ID, at eventlog.At) (web.Conversation, error)

// commands is what the handlers share.
type commands struct {
	log          *eventlog.Log
	identities   *identities
	passwords    *passwords
	tokens       *auth.Tokens
	tickets      *auth.Tickets
	endings      *auth.Endings
	eraser       *erasure.Eraser
	conversation ReadConversation
	logger       *slog.Logger
}

// Register adds the operations to an API that authenticates (see
// web.Authenticate).
func Register(api huma.API, log *eventlog.Log, pool *pgxpool.Pool, tokens *auth.Tokens, tickets *auth.Tickets,
	endings *auth.Endings, eraser *erasure.Eraser, conversation ReadConversation, cfg Config, logger *slog.Logger) error {
	passwords, err := newPasswords(cfg.BcryptCost)
	if err != nil {
		return err
	}
	c := &commands{
		log: log, identities: &identities{pool: pool}, passwords: passwords, tokens: tokens, tickets: tickets,
		endings: endings, eraser: eraser, conversation: conversation, logger: logger,
	}
	open := func(method, path, id, summary string, status int) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary, DefaultStatus: status, Tags: []string{"auth"}}
	}
	huma.Register(api, open(http.MethodPost, "/v1/auth/register", "register", "Register", http.StatusCreated), c.register)
	huma.Register(api, open(http.MethodPost, "/v1/auth/login", "login", "Log in", http.StatusOK), c.login)
	huma.Register(api, open(http.MethodPost, "/v1/auth/refresh", "refresh", "Exchange a refresh token for a new session", http.StatusOK), c.refresh)

	closed := func(method, path, id, summary string, status int, tag string) huma.Operation {
		op := open(method, path, id, summary, status)
		op.Security, op.Tags = web.Bearer, []string{tag}
		return op
	}
	huma.Register(api, closed(http.MethodPost, "/v1/auth/logout", "logout", "Log out", http.StatusNoContent, "auth"), c.logout)
	huma.Register(api, closed(http.MethodPost, "/v1/auth/ticket", "create-ticket", "Get a ticket for a browser's WebSocket", http.StatusCreated, "auth"), c.ticket)

	huma.Register(api, closed(http.MethodDelete, "/v1/users/me", "erase-user",
		"Erase oneself, for good", http.StatusAccepted, "users"), c.eraseUser)

	huma.Register(api, closed(http.MethodPost, "/v1/conversations", "create-conversation",
		"Create a conversation", http.StatusCreated, "conversations"), c.createConversation)
	huma.Register(api, closed(http.MethodPost, "/v1/conversations/{conversation_id}/members", "add-member",
		"Add a member", http.StatusCreated, "members"), c.addMember)
	huma.Register(api, closed(http.MethodDelete, "/v1/conversations/{conversation_id}/members/{user_id}", "remove-member",
		"Remove a member, or leave", http.StatusNoContent, "members"), c.removeMember)
	huma.Register(api, closed(http.MethodPost, "/v1/conversations/{conversation_id}/messages", "send-message",
		"Send a message", http.StatusCreated, "messages"), c.sendMessage)
	huma.Register(api, closed(http.MethodPut, "/v1/conversations/{conversation_id}/read", "advance-read",
		"Mark as read", http.StatusOK, "conversations"), c.advanceRead)

	alsoOK(api, "/v1/conversations", "The two have a direct conversation already: this one.")
	alsoOK(api, "/v1/conversations/{conversation_id}/members", "The user is a member already, and stays what he is.")
	return nil
}

// alsoOK documents that a POST which creates may find its work done: it
// answers 200 with what it would have created.
func alsoOK(api huma.API, path, description string) {
	responses := api.OpenAPI().Paths[path].Post.Responses
	found := *responses["201"]
	found.Description = description
	responses["200"] = &found
}

// command makes the log's command of a request.
func command(stream, actor domain.ID, key string, request [][]byte) eventlog.Command {
	return eventlog.Command{Stream: stream, Actor: actor, Key: key, Fingerprint: eventlog.Fingerprint(request...)}
}

// decide runs a decision on a conversation.
func (c *commands) decide(ctx context.Context, cmd eventlog.Command,
	decision func(conversation *domain.Conversation, version int64) ([]domain.Event, error)) (eventlog.Result, error) {
	return eventlog.Execute(ctx, c.log, eventlog.Conversations, cmd, decision)
}

func written(r eventlog.Result) web.Written { return web.WrittenAt(r.At.String(), r.Replayed) }

// payload decodes an event that this node or another one recorded.
func payload[E domain.Event](e *eventlog.Event) (E, error) {
	decoded, err := domain.DecodeEvent(e.Type, e.Schema, e.Payload)
	if err != nil {
		return *new(E), fmt.Errorf("decode event %s: %w", e.ID, err)
	}
	event, ok := decoded.(E)
	if !ok {
		return event, fmt.Errorf("event %s is %s, not %s", e.ID, e.Type, event.Type())
	}
	return event, nil
}
