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

// core is what all handlers share. The type of each handler is named by what it
// changes.
type core struct {
	Deps
	blocks *blockChecker
}

type (
	sessions struct {
		*core
		passwords *identity.Passwords
	}
	accounts struct {
		*core
		passwords *identity.Passwords
	}
	conversations struct {
		*core
		markers *readMarkerDebounce
	}
	members    struct{ *core }
	messages   struct{ *core }
	ephemerals struct{ *core }
)

// Register adds the operations to an API that authenticates and limits (see
// web.Authenticate and web.Limit). It is the list of all of them.
func Register(api huma.API, deps Deps, cfg Config) error {
	hasher, err := identity.NewPasswords(cfg.BcryptCost)
	if err != nil {
		return err
	}
	shared := &core{Deps: deps, blocks: newBlockChecker(deps.Log)}
	sessions := &sessions{shared, hasher}
	accounts := &accounts{shared, hasher}
	conversations := &conversations{shared, newReadMarkerDebounce(cfg.MarkerInterval)}
	members, messages, ephemerals := &members{shared}, &messages{shared}, &ephemerals{shared}
	huma.Register(api, registerOperation(), sessions.register)
	huma.Register(api, loginOperation(), sessions.login)
	huma.Register(api, refreshOperation(), sessions.refresh)
	huma.Register(api, logoutOperation(), sessions.logout)
	huma.Register(api, ticketOperation(), sessions.ticket)
	huma.Register(api, eraseUserOperation(), accounts.eraseUser)
	huma.Register(api, changeProfileOperation(), accounts.changeProfile)
	huma.Register(api, blockUserOperation(), accounts.blockUser)
	huma.Register(api, unblockUserOperation(), accounts.unblockUser)
	huma.Register(api, createConversationOperation(), conversations.createConversation)
	huma.Register(api, renameConversationOperation(), conversations.renameConversation)
	huma.Register(api, advanceReadOperation(), conversations.advanceRead)
	huma.Register(api, addMemberOperation(), members.addMember)
	huma.Register(api, changeRoleOperation(), members.changeRole)
	huma.Register(api, removeMemberOperation(), members.removeMember)
	huma.Register(api, sendMessageOperation(), messages.sendMessage)
	huma.Register(api, editMessageOperation(), messages.editMessage)
	huma.Register(api, deleteMessageOperation(), messages.deleteMessage)
	huma.Register(api, addReactionOperation(), messages.addReaction)
	huma.Register(api, removeReactionOperation(), messages.removeReaction)
	huma.Register(api, pinMessageOperation(), messages.pinMessage)
	huma.Register(api, unpinMessageOperation(), messages.unpinMessage)
	huma.Register(api, sendStealthOperation(), ephemerals.sendStealth)
	huma.Register(api, withdrawStealthOperation(), ephemerals.withdrawStealth)
	huma.Register(api, typingOperation(), ephemerals.typing)
	alsoOK(api, conversationsPath, "The direct conversation of the two users exists already; this is it.")
	alsoOK(api, conversationPath+"/members", "The user is already a member; their role does not change.")
	return nil
}

const (
	conversationsPath = "/v1/conversations"
	conversationPath  = conversationsPath + "/{conversation_id}"
	messagesPath      = conversationPath + "/messages"
	messagePath       = messagesPath + "/{message_id}"
)

// operation describes a command; refusals are those other than the usual ones.
func operation(method, path, id, summary string, status int, tag string, refusals ...*domain.Error) huma.Operation {
	return web.Refuses(huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary, DefaultStatus: status, Tags: []string{tag}, Security: web.Bearer,
	}, refusals...)
}

// reaching describes a command whose effect others see. All of these share one limit.
func reaching(method, path, id, summary string, status int, tag string, refusals ...*domain.Error) huma.Operation {
	return web.Limited(operation(method, path, id, summary, status, tag, refusals...), limits.Send)
}

// onMessage describes a command on a message, for members who may write.
func onMessage(method, path, id, summary string, refusals ...*domain.Error) huma.Operation {
	return reaching(method, path, id, summary, http.StatusOK, "messages", append(refusals,
		domain.ErrConversationNotFound, domain.ErrForbidden, domain.ErrBlocked, domain.ErrUserErased, domain.ErrMessageNotFound, domain.ErrMessageDeleted)...)
}

// open lets anyone call an operation.
func open(op huma.Operation) huma.Operation {
	op.Security = nil
	return op
}

// alsoOK documents that a POST may find that its resource exists: it then answers
// 200 with the resource.
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

// decide decides a command on a conversation. The decision runs in the log's lane,
// perhaps several times, so it must be pure.
func (c *core) decide(ctx context.Context, cmd eventlog.Command,
	decision func(conversation *domain.Conversation, version int64) ([]domain.Event, error)) (eventlog.Result, error) {
	return eventlog.Execute(ctx, c.Log, eventlog.Conversations, cmd, decision)
}

func written(r eventlog.Result) web.Written { return web.WrittenAt(r.At.String(), r.Replayed) }

// payload returns the domain event of a recorded event.
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
