package commands

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/checkpoint"
	"ping/internal/ephemeral"
	"ping/internal/erasure"
	"ping/internal/eventlog"
	"ping/internal/identity"
	"ping/internal/limits"
	"ping/internal/web"
)

// Config tunes the commands.
type Config struct {
	// BcryptCost is the work factor of password hashes (10). Each step doubles
	// the time that a login takes, and that a thief of the table needs.
	BcryptCost int
	// MarkerInterval is the minimum time between two read markers of a user in one
	// conversation on this node (1 s): earlier ones wait, and only the greatest of
	// them is stored.
	MarkerInterval time.Duration
}

// Reads answer how a user sees something, in read models that have seen
// everything up to at: for commands whose answer is not what they did but what
// is now.
type Reads struct {
	Conversation func(ctx context.Context, user, conversation domain.ID, at eventlog.At) (web.Conversation, error)
	Message      func(ctx context.Context, user, conversation, message domain.ID, at eventlog.At) (web.Message, error)
}

// LimitLogin refuses a login to an account, known or not, after too many recent
// attempts from any address. An attacker can then try few passwords, but can also
// keep the owner from logging in meanwhile.
type LimitLogin func(ctx context.Context, email string) error

// Deps is what the commands need from the rest of a node. All fields are required.
type Deps struct {
	Log         *eventlog.Log
	Identities  *identity.Store
	Tokens      *auth.Tokens
	Tickets     *auth.Tickets
	Revocations *auth.Revocations
	Eraser      *erasure.Eraser
	Ephemeral   *ephemeral.Store
	Reads       Reads
	LimitLogin  LimitLogin
	Logger      *slog.Logger
}

// commands is what the handlers share.
type commands struct {
	Deps
	passwords *identity.Passwords
	blocks    *blockChecker
	markers   *readMarkerDebounce
}

// Register adds the operations to an API that authenticates and limits (see
// web.Authenticate and web.Limit).
func Register(api huma.API, deps Deps, cfg Config) error {
	passwords, err := identity.NewPasswords(cfg.BcryptCost)
	if err != nil {
		return err
	}
	c := &commands{
		Deps: deps, passwords: passwords, blocks: newBlockChecker(deps.Log), markers: newReadMarkerDebounce(cfg.MarkerInterval),
	}
	c.registerAuth(api)
	c.registerUsers(api)
	c.registerConversations(api)
	c.registerMessages(api)
	c.registerEphemeral(api)
	alsoOK(api, "/v1/conversations", "The direct conversation of the two users exists already; this is it.")
	alsoOK(api, "/v1/conversations/{conversation_id}/members", "The user is already a member; their role does not change.")
	return nil
}

// operation describes what changes something; refusals are those of its own.
func operation(method, path, id, summary string, status int, tag string, refusals ...*domain.Error) huma.Operation {
	return web.Refuses(huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary, DefaultStatus: status, Tags: []string{tag}, Security: web.Bearer,
	}, refusals...)
}

// reaching describes what others get to see; all of it shares one limit.
func reaching(method, path, id, summary string, status int, tag string, refusals ...*domain.Error) huma.Operation {
	return web.Limited(operation(method, path, id, summary, status, tag, refusals...), limits.Send)
}

// open lets anyone call an operation.
func open(op huma.Operation) huma.Operation {
	op.Security = nil
	return op
}

func (c *commands) registerAuth(api huma.API) {
	huma.Register(api, web.Limited(open(operation(http.MethodPost, "/v1/auth/register", "register", "Register", http.StatusCreated, "auth",
		identity.ErrEmailInvalid, identity.ErrPasswordInvalid, domain.ErrNameInvalid, identity.ErrEmailTaken, web.ErrBusy)), limits.Register), c.register)
	huma.Register(api, web.Limited(open(operation(http.MethodPost, "/v1/auth/login", "login", "Log in", http.StatusOK, "auth",
		identity.ErrInvalidCredentials, web.ErrBusy)), limits.Login), c.login)
	huma.Register(api, open(operation(http.MethodPost, "/v1/auth/refresh", "refresh", "Refresh a session", http.StatusOK, "auth",
		identity.ErrRefreshTokenInvalid)), c.refresh)
	huma.Register(api, operation(http.MethodPost, "/v1/auth/logout", "logout", "Log out", http.StatusNoContent, "auth"), c.logout)
	huma.Register(api, operation(http.MethodPost, "/v1/auth/ticket", "create-ticket", "Create a WebSocket ticket", http.StatusCreated, "auth",
		auth.ErrTicketsUnavailable), c.ticket)
}

func (c *commands) registerUsers(api huma.API) {
	huma.Register(api, operation(http.MethodDelete, "/v1/users/me", "erase-user", "Erase my account", http.StatusAccepted, "users",
		identity.ErrInvalidCredentials, web.ErrBusy, web.ErrRateLimited), c.eraseUser)
	huma.Register(api, reaching(http.MethodPatch, "/v1/users/me", "change-profile", "Change my profile", http.StatusOK, "users",
		domain.ErrNameInvalid, domain.ErrHandleInvalid, domain.ErrHandleTaken, domain.ErrBioInvalid, domain.ErrAvatarInvalid, domain.ErrUserNotFound), c.changeProfile)
	huma.Register(api, reaching(http.MethodPut, "/v1/users/me/blocks/{user_id}", "block-user", "Block a user", http.StatusNoContent, "users",
		domain.ErrUserNotFound, domain.ErrBlockSelf, domain.ErrTooManyBlocked), c.blockUser)
	huma.Register(api, reaching(http.MethodDelete, "/v1/users/me/blocks/{user_id}", "unblock-user", "Unblock a user", http.StatusNoContent, "users",
		domain.ErrUserNotFound, domain.ErrBlockSelf), c.unblockUser)
}

func (c *commands) registerConversations(api huma.API) {
	const conversation = "/v1/conversations/{conversation_id}"
	huma.Register(api, reaching(http.MethodPost, "/v1/conversations", "create-conversation", "Create a conversation", http.StatusCreated, "conversations",
		domain.ErrUserNotFound, domain.ErrDirectWithSelf, domain.ErrDirectNeedsOne, domain.ErrConversationKind, domain.ErrNameInvalid, domain.ErrNameOnDirect, domain.ErrTooManyMembers, domain.ErrBlocked, checkpoint.ErrBehind), c.createConversation)
	huma.Register(api, reaching(http.MethodPatch, conversation, "rename-conversation", "Change a group's name or topic", http.StatusOK, "conversations",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrDirectIsFixed, domain.ErrNameInvalid, domain.ErrTopicInvalid, checkpoint.ErrBehind), c.renameConversation)
	huma.Register(api, reaching(http.MethodPut, conversation+"/read", "advance-read", "Mark as read", http.StatusOK, "conversations",
		domain.ErrConversationNotFound, domain.ErrSeqInvalid), c.advanceRead)
	huma.Register(api, reaching(http.MethodPost, conversation+"/members", "add-member", "Add a member", http.StatusCreated, "members",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrDirectIsFixed, domain.ErrUserNotFound, domain.ErrRoleInvalid), c.addMember)
	huma.Register(api, reaching(http.MethodPatch, conversation+"/members/{user_id}", "change-role", "Change a member's role", http.StatusOK, "members",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrDirectIsFixed, domain.ErrMemberNotFound, domain.ErrRoleInvalid, domain.ErrLastOwner), c.changeRole)
	huma.Register(api, reaching(http.MethodDelete, conversation+"/members/{user_id}", "remove-member", "Remove a member or leave", http.StatusNoContent, "members",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrDirectIsFixed), c.removeMember)
}

func (c *commands) registerMessages(api huma.API) {
	const messages = "/v1/conversations/{conversation_id}/messages"
	const message = messages + "/{message_id}"
	// about describes what is done to a message by who may write.
	about := func(method, path, id, summary string, refusals ...*domain.Error) huma.Operation {
		return reaching(method, path, id, summary, http.StatusOK, "messages", append(refusals,
			domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrBlocked, domain.ErrUserErased, domain.ErrMessageNotFound, domain.ErrMessageDeleted)...)
	}
	huma.Register(api, reaching(http.MethodPost, messages, "send-message", "Send a message", http.StatusCreated, "messages",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrBlocked, domain.ErrUserErased, domain.ErrMessageNotFound, domain.ErrBodyEmpty, domain.ErrBodyTooLong, domain.ErrBodyInvalid), c.sendMessage)
	huma.Register(api, about(http.MethodPatch, message, "edit-message", "Edit a message", domain.ErrBodyEmpty, domain.ErrBodyTooLong, domain.ErrBodyInvalid, checkpoint.ErrBehind), c.editMessage)
	huma.Register(api, reaching(http.MethodDelete, message, "delete-message", "Delete a message", http.StatusNoContent, "messages",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrMessageNotFound), c.deleteMessage)
	huma.Register(api, about(http.MethodPut, message+"/reactions/{emoji}", "add-reaction", "Add a reaction", domain.ErrEmojiInvalid, domain.ErrTooManyReactions), c.addReaction)
	huma.Register(api, about(http.MethodDelete, message+"/reactions/{emoji}", "remove-reaction", "Remove a reaction", domain.ErrEmojiInvalid), c.removeReaction)
	huma.Register(api, about(http.MethodPut, message+"/pin", "pin-message", "Pin a message"), c.pinMessage)
	huma.Register(api, about(http.MethodDelete, message+"/pin", "unpin-message", "Unpin a message"), c.unpinMessage)
}

func (c *commands) registerEphemeral(api huma.API) {
	const conversation = "/v1/conversations/{conversation_id}"
	huma.Register(api, reaching(http.MethodPost, conversation+"/stealth", "send-stealth", "Send a stealth message", http.StatusCreated, "stealth",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrBlocked, domain.ErrUserErased, domain.ErrBodyEmpty, domain.ErrBodyTooLong, domain.ErrBodyInvalid, ephemeral.ErrTooManyStealth, ephemeral.ErrUnavailable), c.sendStealth)
	huma.Register(api, reaching(http.MethodDelete, conversation+"/stealth/{stealth_id}", "withdraw-stealth", "Withdraw a stealth message", http.StatusNoContent, "stealth",
		domain.ErrConversationNotFound, domain.ErrForbidden, ephemeral.ErrUnavailable), c.withdrawStealth)
	huma.Register(api, reaching(http.MethodPut, conversation+"/typing", "set-typing", "Set typing", http.StatusNoContent, "presence",
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrBlocked, domain.ErrUserErased, ephemeral.ErrUnavailable), c.typing)
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
	return eventlog.Execute(ctx, c.Log, eventlog.Conversations, cmd, decision)
}

func written(r eventlog.Result) web.Written { return web.WrittenAt(r.At.String(), r.Replayed) }

// payload decodes an event that this node or another one recorded.
func payload[E domain.Event](e *eventlog.Event) (E, error) {
	decoded, err := e.Decode()
	if err != nil {
		return *new(E), fmt.Errorf("decode event %s: %w", e.ID, err)
	}
	event, ok := decoded.(E)
	if !ok {
		return event, fmt.Errorf("event %s is %s, not %s", e.ID, e.Type, event.Type())
	}
	return event, nil
}
