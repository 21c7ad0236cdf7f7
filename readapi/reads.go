package readapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
	"ping/internal/checkpoint"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
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
	log         *eventlog.Log
	checkpoints *checkpoint.Waiter
	ephemeral   *ephemeral.Store
}

// Reads tell how a user sees something, in read models that have applied
// everything up to at.
type Reads struct {
	Conversation func(ctx context.Context, user, conversation domain.ID, at eventlog.At) (web.Conversation, error)
	Message      func(ctx context.Context, user, conversation, message domain.ID, at eventlog.At) (web.Message, error)
}

// Register adds the operations to an API that authenticates (see
// web.Authenticate). It returns some of the reads for commands that answer with
// what is now.
func Register(api huma.API, pool *pgxpool.Pool, log *eventlog.Log, lane *ephemeral.Store) Reads {
	r := &reads{pool: pool, log: log, checkpoints: checkpoint.New(pool, log.Partitions()), ephemeral: lane}
	// get describes a read; refusals are those of its own.
	get := func(path, id, summary, tag string, refusals ...*domain.Error) huma.Operation {
		return web.Refuses(huma.Operation{
			Method: http.MethodGet, Path: path, OperationID: id, Summary: summary, Tags: []string{tag}, Security: web.Bearer,
		}, refusals...)
	}
	const conversation = "/v1/conversations/{conversation_id}"
	outside, cursor := domain.ErrConversationNotFound, errCursor
	huma.Register(api, get("/v1/conversations", "list-conversations", "The inbox: newest activity first", "conversations", cursor), r.listConversations)
	huma.Register(api, get(conversation, "get-conversation", "One conversation", "conversations", outside), r.getConversation)
	huma.Register(api, get(conversation+"/members", "list-members", "Who is in it", "members", outside, cursor), r.listMembers)
	huma.Register(api, get(conversation+"/messages", "list-messages", "History: newest first", "messages", outside, cursor), r.listMessages)
	huma.Register(api, get(conversation+"/messages/{message_id}", "get-message", "One message", "messages", outside, domain.ErrMessageNotFound), r.getMessage)
	huma.Register(api, get(conversation+"/pins", "list-pins", "Pinned messages: the last one first", "messages", outside, cursor), r.listPins)
	huma.Register(api, get(conversation+"/events", "list-events",
		"The conversation's own log: oldest first, the frames as sent on the stream", "conversations", outside), r.listEvents)
	huma.Register(api, get(conversation+"/stealth", "list-stealth", "Stealth messages that are alive: newest first", "stealth", outside, cursor, ephemeral.ErrUnavailable), r.listStealth)
	huma.Register(api, get(conversation+"/presence", "list-presence", "Who is there", "presence", outside, cursor, ephemeral.ErrUnavailable), r.listPresence)
	huma.Register(api, get("/v1/users/me", "get-me", "One's own profile", "users"), r.getMe)
	huma.Register(api, get("/v1/users/me/unread", "get-unread", "How much is unread in all, for a badge", "users"), r.getUnread)
	huma.Register(api, get("/v1/users/me/blocks", "list-blocks", "Whom one has blocked", "users", cursor), r.listBlocks)
	huma.Register(api, get("/v1/users/{user_id}", "get-user", "A public profile", "users", domain.ErrUserNotFound), r.getUser)
	huma.Register(api, web.Limited(get("/v1/users", "find-users", "Users whose display name or handle begins so", "users", cursor), limits.Search), r.findUsers)
	huma.Register(api, web.Limited(get("/v1/search", "search", "Messages that the caller may see: best first", "messages",
		outside, cursor, errSearchTooBroad), limits.Search), r.search)
	huma.Register(api, web.Limited(exportOperation(get("/v1/users/me/export", "export-user", "All that is stored of oneself, as one JSON document", "users",
		domain.ErrUserNotFound), api.OpenAPI().Components.Schemas), limits.Search), r.exportUser)
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

// Read is embedded in the input of every operation here.
type Read struct {
	MinPosition string `header:"Ping-Min-Position" doc:"The Ping-Position of a write that the answer must include, such as 7:1042; several are separated by commas. The read waits for it for at most 2 s, then it is refused with 503 behind."`
}

// Limit is embedded in the input of every list.
type Limit struct {
	Limit int `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many items a page has at most."`
}

// wait returns when the read models have applied what the request asks for.
func (r *reads) wait(ctx context.Context, in Read, models ...string) error {
	positions, err := r.checkpoints.Parse(in.MinPosition)
	if err != nil {
		return err
	}
	return r.checkpoints.Wait(ctx, positions, models...)
}

// removedSince is an expression: whether the log has removed the user $1 from a
// conversation after a version. The inbox may lag behind, and a removal counts
// from its acknowledgement on; it costs one probe at the end of an index.
func removedSince(conversation, version string) string {
	return `coalesce((
		SELECT e.type <> 'member.added' FROM log.events e
		 WHERE e.stream = ` + conversation + ` AND e.version > ` + version + ` AND e.decisive
		   AND e.type IN ('member.added', 'member.removed', 'member.erased') AND (e.payload->>'user_id')::uuid = $1
		 ORDER BY e.version DESC LIMIT 1), false)`
}

var memberSQL = `
SELECT ` + removedSince("c.id", "c.last_seq") + `
  FROM inbox.members m
  JOIN inbox.conversations c ON c.id = m.conversation_id
 WHERE m.user_id = $1 AND m.conversation_id = $2 AND m.removed_seq IS NULL`

// member refuses who is not in the conversation. It is asked after what it
// guards was read: then nothing that came after a removal is in it.
func (r *reads) member(ctx context.Context, conversation domain.ID) error {
	var removed bool
	err := r.pool.QueryRow(ctx, memberSQL, uid(web.CallerFrom(ctx).UserID), uid(conversation)).Scan(&removed)
	if errors.Is(err, pgx.ErrNoRows) || removed {
		return domain.ErrConversationNotFound
	}
	return err
}

// uid is how an ID goes to Postgres, and comes back.
func uid(id domain.ID) [16]byte { return id }

// output is the answer of an operation.
type output[T any] struct{ Body T }

// answer makes an operation's result of a value and an error.
func answer[T any](body T, err error) (*output[T], error) {
	if err != nil {
		return nil, err
	}
	return &output[T]{Body: body}, nil
}
