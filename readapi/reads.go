package readapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
	"ping/internal/checkpoint"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
	"ping/internal/identity"
	"ping/internal/limits"
	"ping/internal/web"
)

// The read models, as internal/checkpoint names them.
const (
	timeline  = "timeline"
	inbox     = "inbox"
	directory = "directory"
	search    = "search"
)

// reads is what the handlers share.
type reads struct {
	pool        *pgxpool.Pool
	identities  *identity.Store
	log         *eventlog.Log
	checkpoints *checkpoint.Waiter
	ephemeral   *ephemeral.Store
}

// Reads answer how a user sees something, from read models that have applied everything up to at.
type Reads struct {
	Conversation func(ctx context.Context, user, conversation domain.ID, at eventlog.At) (web.Conversation, error)
	Message      func(ctx context.Context, user, conversation, message domain.ID, at eventlog.At) (web.Message, error)
}

// Register adds the operations to an API that authenticates (see web.Authenticate). It returns reads for the commands
// whose answer is a current state.
func Register(api huma.API, pool *pgxpool.Pool, identities *identity.Store, log *eventlog.Log, store *ephemeral.Store) Reads {
	r := &reads{pool: pool, identities: identities, log: log, checkpoints: checkpoint.New(pool, log.Partitions()), ephemeral: store}
	r.registerConversations(api)
	r.registerMessages(api)
	r.registerEphemeral(api)
	r.registerUsers(api)
	return Reads{
		Conversation: func(ctx context.Context, user, conversation domain.ID, at eventlog.At) (web.Conversation, error) {
			if err := r.checkpoints.Wait(ctx, []eventlog.At{at}, inbox, timeline); err != nil {
				return web.Conversation{}, err
			}
			return r.conversation(ctx, user, conversation)
		},
		Message: func(ctx context.Context, user, conversation, message domain.ID, at eventlog.At) (web.Message, error) {
			if err := r.checkpoints.Wait(ctx, []eventlog.At{at}, timeline); err != nil {
				return web.Message{}, err
			}
			return r.message(ctx, user, conversation, message)
		},
	}
}

// operation describes a read with refusals of its own.
func operation(path, id, tag, summary, description string, refusals ...*domain.Error) huma.Operation {
	return web.Refuses(huma.Operation{
		Method: http.MethodGet, Path: path, OperationID: id, Tags: []string{tag}, Security: web.Bearer,
		Summary: summary, Description: description,
	}, refusals...)
}

// conversationPath is the path of one conversation.
const conversationPath = "/v1/conversations/{conversation_id}"

func (r *reads) registerConversations(api huma.API) {
	huma.Register(api, operation("/v1/conversations", "list-conversations", "conversations", "List conversations",
		"The caller's inbox, most recent activity first.", errCursor), r.listConversations)
	huma.Register(api, operation(conversationPath, "get-conversation", "conversations", "Get a conversation",
		"", domain.ErrConversationNotFound), r.getConversation)
	huma.Register(api, operation(conversationPath+"/members", "list-members", "members", "List members",
		"Ordered by user id.", domain.ErrConversationNotFound, errCursor), r.listMembers)
	huma.Register(api, operation(conversationPath+"/events", "list-events", "conversations", "List events",
		"The events of a conversation, oldest first, as the frames that the WebSocket sends.", domain.ErrConversationNotFound), r.listEvents)
}

func (r *reads) registerMessages(api huma.API) {
	huma.Register(api, operation(conversationPath+"/messages", "list-messages", "messages", "List messages",
		"The history of a conversation, newest first.", domain.ErrConversationNotFound, errCursor), r.listMessages)
	huma.Register(api, operation(conversationPath+"/messages/{message_id}", "get-message", "messages", "Get a message",
		"", domain.ErrConversationNotFound, domain.ErrMessageNotFound), r.getMessage)
	huma.Register(api, operation(conversationPath+"/pins", "list-pins", "messages", "List pinned messages",
		"Most recently pinned first.", domain.ErrConversationNotFound, errCursor), r.listPins)
	huma.Register(api, web.Limited(operation("/v1/search", "search", "messages", "Search messages",
		"Searches the conversations that the caller is in; the best match comes first.",
		domain.ErrConversationNotFound, errCursor, errSearchTooBroad), limits.Search), r.search)
}

func (r *reads) registerEphemeral(api huma.API) {
	huma.Register(api, operation(conversationPath+"/stealth", "list-stealth", "stealth", "List stealth messages",
		"Those that exist now, newest first.", domain.ErrConversationNotFound, errCursor, ephemeral.ErrUnavailable), r.listStealth)
	huma.Register(api, operation(conversationPath+"/presence", "list-presence", "presence", "List presence",
		"The presence of the members, ordered by user id. Across a block, users appear offline.",
		domain.ErrConversationNotFound, errCursor, ephemeral.ErrUnavailable), r.listPresence)
}

func (r *reads) registerUsers(api huma.API) {
	huma.Register(api, operation("/v1/users/me", "get-me", "users", "Get my profile", ""), r.getMe)
	huma.Register(api, operation("/v1/users/me/unread", "get-unread", "users", "Count unread messages",
		"Totals over all conversations, for a badge."), r.getUnread)
	huma.Register(api, operation("/v1/users/me/blocks", "list-blocks", "users", "List blocked users",
		"The users that the caller has blocked, most recent first.", errCursor), r.listBlocks)
	huma.Register(api, operation("/v1/users/{user_id}", "get-user", "users", "Get a user", "", domain.ErrUserNotFound), r.getUser)
	huma.Register(api, web.Limited(operation("/v1/users", "find-users", "users", "Find users",
		"Users by the beginning of their display name or handle.", errCursor), limits.Search), r.findUsers)
	huma.Register(api, web.Limited(exportOperation(operation("/v1/users/me/export", "export-user", "users", "Export my data",
		"Everything that is stored about the caller, as one JSON document.", domain.ErrUserNotFound),
		api.OpenAPI().Components.Schemas), limits.Search), r.exportUser)
}

// Read is embedded in the input of every operation here.
type Read struct {
	MinPosition string `header:"Ping-Min-Position" doc:"The Ping-Position of a write that the answer must include, such as 7:1042; several are separated by commas. The read waits for it for at most 2 s, then it is refused with 503 behind."`
}

// Limit is embedded in the input of every list.
type Limit struct {
	Limit int `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"The maximum number of items of the page."`
}

// wait returns when the read models have applied the positions that the request names.
func (r *reads) wait(ctx context.Context, in Read, models ...string) error {
	positions, err := r.checkpoints.Parse(in.MinPosition)
	if err != nil {
		return err
	}
	return r.checkpoints.Wait(ctx, positions, models...)
}

// output is the answer of an operation.
type output[T any] struct{ Body T }

// answer makes the result of an operation from a value and an error.
func answer[T any](body T, err error) (*output[T], error) {
	if err != nil {
		return nil, err
	}
	return &output[T]{Body: body}, nil
}
