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
	"ping/internal/eventlog"
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
}

// ReadConversation returns how a user sees a conversation, in read models that
// have applied everything up to at.
type ReadConversation = func(ctx context.Context, user, conversation domain.ID, at eventlog.At) (web.Conversation, error)

// Register adds the operations to an API that authenticates (see
// web.Authenticate). It returns one of the reads for commands that answer with
// something that exists already.
func Register(api huma.API, pool *pgxpool.Pool, log *eventlog.Log) ReadConversation {
	r := &reads{pool: pool, log: log, checkpoints: checkpoint.New(pool, log.Partitions())}
	get := func(path, id, summary, tag string) huma.Operation {
		return huma.Operation{
			Method: http.MethodGet, Path: path, OperationID: id, Summary: summary, Tags: []string{tag}, Security: web.Bearer,
		}
	}
	huma.Register(api, get("/v1/conversations", "list-conversations", "The inbox: newest activity first", "conversations"), r.listConversations)
	huma.Register(api, get("/v1/conversations/{conversation_id}", "get-conversation", "One conversation", "conversations"), r.getConversation)
	huma.Register(api, get("/v1/conversations/{conversation_id}/members", "list-members", "Who is in it", "members"), r.listMembers)
	huma.Register(api, get("/v1/conversations/{conversation_id}/messages", "list-messages", "History: newest first", "messages"), r.listMessages)
	huma.Register(api, get("/v1/conversations/{conversation_id}/messages/{message_id}", "get-message", "One message", "messages"), r.getMessage)
	huma.Register(api, get("/v1/conversations/{conversation_id}/events", "list-events",
		"The conversation's own log: oldest first, the frames as sent on the stream", "conversations"), r.listEvents)
	huma.Register(api, get("/v1/users/me", "get-me", "One's own profile", "users"), r.getMe)
	huma.Register(api, get("/v1/users/{user_id}", "get-user", "A public profile", "users"), r.getUser)
	huma.Register(api, get("/v1/users", "find-users", "Users whose display name begins so", "users"), r.findUsers)
	searching := get("/v1/search", "search", "Messages that the caller may see, best first", "messages")
	searching.Metadata = map[string]any{"limit": "search"}
	huma.Register(api, searching, r.search)
	return func(ctx context.Context, user, conversation domain.ID, at eventlog.At) (web.Conversation, error) {
		if err := r.checkpoints.Wait(ctx, []eventlog.At{at}, inbox, timeline); err != nil {
			return web.Conversation{}, err
		}
		return r.conversation(ctx, user, conversation)
	}
}

// Read is embedded in the input of every operation here.
type Read struct {
	MinPosition string `header:"Ping-Min-Position" doc:"The Ping-Position of a write that the answer must have seen; several are separated by commas. Waits for it at most 2 s, then answers 503 behind." example:"7:1042"`
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

// member refuses who is not in the conversation.
func (r *reads) member(ctx context.Context, conversation domain.ID) error {
	var is bool
	err := r.pool.QueryRow(ctx, `
		SELECT true FROM inbox.members WHERE conversation_id = $1 AND user_id = $2 AND removed_seq IS NULL`,
		uid(conversation), uid(web.CallerFrom(ctx).UserID)).Scan(&is)
	if errors.Is(err, pgx.ErrNoRows) {
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
