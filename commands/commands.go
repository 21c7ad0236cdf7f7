package commands

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/ephemeral"
	"ping/internal/erasure"
	"ping/internal/eventlog"
	"ping/internal/limits"
	"ping/internal/web"
)

// Config tunes the commands.
type Config struct {
	// BcryptCost is the work factor of password hashes (10). Each step doubles
	// the time that a login takes, and that a thief of the table needs.
	BcryptCost int
	// MarkerInterval is the least time between two read markers that a user
	// leaves in one conversation on this node (1 s): those that come sooner wait,
	// and the greatest of them stands for all.
	MarkerInterval time.Duration
}

// Reads answer how a user sees something, in read models that have seen
// everything up to at: for commands whose answer is not what they did but what
// is now.
type Reads struct {
	Conversation func(ctx context.Context, user, conversation domain.ID, at eventlog.At) (web.Conversation, error)
	Message      func(ctx context.Context, user, conversation, message domain.ID, at eventlog.At) (web.Message, error)
}

// LimitLogin refuses a login to an account, known or not, that was tried too
// often of late, wherever from. That leaves a thief few passwords to try, at
// the price that he can keep the owner from logging in for as long as he tries.
type LimitLogin func(ctx context.Context, email string) error

// commands is what the handlers share.
type commands struct {
	log        *eventlog.Log
	identities *identities
	passwords  *passwords
	tokens     *auth.Tokens
	tickets    *auth.Tickets
	endings    *auth.Endings
	eraser     *erasure.Eraser
	ephemeral  *ephemeral.Store
	reads      Reads
	limitLogin LimitLogin
	directs    *directs
	markers    *markerGate
	logger     *slog.Logger
}

// Register adds the operations to an API that authenticates and limits (see
// web.Authenticate and web.Limit).
func Register(api huma.API, log *eventlog.Log, pool *pgxpool.Pool, tokens *auth.Tokens, tickets *auth.Tickets,
	endings *auth.Endings, eraser *erasure.Eraser, lane *ephemeral.Store, reads Reads, limitLogin LimitLogin, cfg Config, logger *slog.Logger) error {
	passwords, err := newPasswords(cfg.BcryptCost)
	if err != nil {
		return err
	}
	c := &commands{
		log: log, identities: newIdentities(pool), passwords: passwords, tokens: tokens, tickets: tickets,
		endings: endings, eraser: eraser, ephemeral: lane, reads: reads, limitLogin: limitLogin, directs: newDirects(log), markers: newMarkerGate(cfg.MarkerInterval), logger: logger,
	}
	c.registerAuth(api)
	c.registerUsers(api)
	c.registerConversations(api)
	c.registerMessages(api)
	c.registerEphemeral(api)
	alsoOK(api, "/v1/conversations", "The two have a direct conversation already: this one.")
	alsoOK(api, "/v1/conversations/{conversation_id}/members", "The user is a member already, and stays what he is.")
	return nil
}

// operation describes what changes something; refusals are the codes of its own.
func operation(method, path, id, summary string, status int, tag string, refusals ...string) huma.Operation {
	return web.Refuses(huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary, DefaultStatus: status, Tags: []string{tag}, Security: web.Bearer,
	}, refusals...)
}

// reaching describes what others get to see; all of it shares one limit.
func reaching(method, path, id, summary string, status int, tag string, refusals ...string) huma.Operation {
	return web.Limited(operation(method, path, id, summary, status, tag, refusals...), limits.Send)
}

// open lets anyone call an operation.
func open(op huma.Operation) huma.Operation {
	op.Security = nil
	return op
}

func (c *commands) registerAuth(api huma.API) {
	huma.Register(api, web.Limited(open(operation(http.MethodPost, "/v1/auth/register", "register", "Register", http.StatusCreated, "auth",
		"email_invalid", "password_invalid", "name_invalid", "email_taken", "busy")), limits.Register), c.register)
	huma.Register(api, web.Limited(open(operation(http.MethodPost, "/v1/auth/login", "login", "Log in", http.StatusOK, "auth",
		"invalid_credentials", "busy")), limits.Login), c.login)
	huma.Register(api, open(operation(http.MethodPost, "/v1/auth/refresh", "refresh", "Exchange a refresh token for a new session", http.StatusOK, "auth",
		"refresh_token_invalid")), c.refresh)
	huma.Register(api, operation(http.MethodPost, "/v1/auth/logout", "logout", "Log out", http.StatusNoContent, "auth"), c.logout)
	huma.Register(api, operation(http.MethodPost, "/v1/auth/ticket", "create-ticket", "Get a ticket for a browser's WebSocket", http.StatusCreated, "auth",
		auth.ErrTicketsUnavailable.Code), c.ticket)
}

func (c *commands) registerUsers(api huma.API) {
	huma.Register(api, operation(http.MethodDelete, "/v1/users/me", "erase-user", "Erase oneself, for good", http.StatusAccepted, "users",
		"invalid_credentials", "busy", "rate_limited"), c.eraseUser)
	huma.Register(api, reaching(http.MethodPatch, "/v1/users/me", "change-profile", "Change one's profile", http.StatusOK, "users",
		"name_invalid", "handle_invalid", "handle_taken", "bio_invalid", "avatar_url_invalid", "user_not_found"), c.changeProfile)
	huma.Register(api, reaching(http.MethodPut, "/v1/users/me/blocks/{user_id}", "block-user", "Block a user", http.StatusNoContent, "users",
		"user_not_found", "block_self", "too_many_blocked"), c.blockUser)
	huma.Register(api, reaching(http.MethodDelete, "/v1/users/me/blocks/{user_id}", "unblock-user", "Unblock a user", http.StatusNoContent, "users",
		"user_not_found", "block_self"), c.unblockUser)
}

func (c *commands) registerConversations(api huma.API) {
	const conversation = "/v1/conversations/{conversation_id}"
	huma.Register(api, reaching(http.MethodPost, "/v1/conversations", "create-conversation", "Create a conversation", http.StatusCreated, "conversations",
		"user_not_found", "direct_with_self", "direct_needs_one", "conversation_kind", "name_invalid", "name_on_direct", "too_many_members", "blocked", "behind"), c.createConversation)
	huma.Register(api, reaching(http.MethodPatch, conversation, "rename-conversation", "Change a group's name or topic", http.StatusOK, "conversations",
		"conversation_not_found", "forbidden", "direct_is_fixed", "name_invalid", "topic_invalid", "behind"), c.renameConversation)
	huma.Register(api, reaching(http.MethodPut, conversation+"/read", "advance-read", "Mark as read", http.StatusOK, "conversations",
		"conversation_not_found", "seq_invalid"), c.advanceRead)
	huma.Register(api, reaching(http.MethodPost, conversation+"/members", "add-member", "Add a member", http.StatusCreated, "members",
		"conversation_not_found", "forbidden", "direct_is_fixed", "user_not_found", "role_invalid"), c.addMember)
	huma.Register(api, reaching(http.MethodPatch, conversation+"/members/{user_id}", "change-role", "Change a member's role, or hand ownership over", http.StatusOK, "members",
		"conversation_not_found", "forbidden", "direct_is_fixed", "member_not_found", "role_invalid", "last_owner"), c.changeRole)
	huma.Register(api, reaching(http.MethodDelete, conversation+"/members/{user_id}", "remove-member", "Remove a member, or leave", http.StatusNoContent, "members",
		"conversation_not_found", "forbidden", "direct_is_fixed"), c.removeMember)
}

func (c *commands) registerMessages(api huma.API) {
	const messages = "/v1/conversations/{conversation_id}/messages"
	const message = messages + "/{message_id}"
	// about describes what is done to a message by who may write.
	about := func(method, path, id, summary string, refusals ...string) huma.Operation {
		return reaching(method, path, id, summary, http.StatusOK, "messages", append(refusals,
			"conversation_not_found", "forbidden", "blocked", "user_erased", "message_not_found", "message_deleted")...)
	}
	huma.Register(api, reaching(http.MethodPost, messages, "send-message", "Send a message", http.StatusCreated, "messages",
		"conversation_not_found", "forbidden", "blocked", "user_erased", "message_not_found", "body_empty", "body_too_long", "body_invalid"), c.sendMessage)
	huma.Register(api, about(http.MethodPatch, message, "edit-message", "Edit a message", "body_empty", "body_too_long", "body_invalid", "behind"), c.editMessage)
	huma.Register(api, reaching(http.MethodDelete, message, "delete-message", "Delete a message", http.StatusNoContent, "messages",
		"conversation_not_found", "forbidden", "message_not_found"), c.deleteMessage)
	huma.Register(api, about(http.MethodPut, message+"/reactions/{emoji}", "add-reaction", "React to a message", "emoji_invalid", "too_many_reactions"), c.addReaction)
	huma.Register(api, about(http.MethodDelete, message+"/reactions/{emoji}", "remove-reaction", "Take a reaction back", "emoji_invalid"), c.removeReaction)
	huma.Register(api, about(http.MethodPut, message+"/pin", "pin-message", "Pin a message"), c.pinMessage)
	huma.Register(api, about(http.MethodDelete, message+"/pin", "unpin-message", "Unpin a message"), c.unpinMessage)
}

func (c *commands) registerEphemeral(api huma.API) {
	const conversation, away = "/v1/conversations/{conversation_id}", "ephemeral_unavailable"
	huma.Register(api, reaching(http.MethodPost, conversation+"/stealth", "send-stealth", "Send a message that is kept nowhere and expires", http.StatusCreated, "stealth",
		"conversation_not_found", "forbidden", "blocked", "user_erased", "body_empty", "body_too_long", "body_invalid", "too_many_stealth", away), c.sendStealth)
	huma.Register(api, reaching(http.MethodDelete, conversation+"/stealth/{stealth_id}", "withdraw-stealth", "Take back a stealth message of one's own", http.StatusNoContent, "stealth",
		"conversation_not_found", "forbidden", away), c.withdrawStealth)
	huma.Register(api, reaching(http.MethodPut, conversation+"/typing", "set-typing", "Be seen writing, without a stream", http.StatusNoContent, "presence",
		"conversation_not_found", "forbidden", "blocked", "user_erased", away), c.typing)
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
