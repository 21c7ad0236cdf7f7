package commands

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/checkpoint"
	"ping/internal/eventlog"
	"ping/internal/web"
)

type createConversationInput struct {
	web.Write
	Body struct {
		Kind    domain.Kind `json:"kind" enum:"direct,group"`
		Members []domain.ID `json:"members" doc:"The users besides the caller; exactly one for a direct conversation." maxItems:"1000" nullable:"false"`
		Name    string      `json:"name,omitempty" doc:"The name of a group, 1-100 characters after trimming." example:"The crew"`
	}
}

type conversationOutput struct {
	Status int
	web.Written
	Body web.Conversation
}

func createConversationOperation() huma.Operation {
	return reaching(http.MethodPost, "/v1/conversations", "create-conversation", "Create a conversation", http.StatusCreated, "conversations",
		domain.ErrUserNotFound, domain.ErrDirectWithSelf, domain.ErrDirectNeedsOne, domain.ErrConversationKind, domain.ErrNameInvalid, domain.ErrNameOnDirect, domain.ErrTooManyMembers, domain.ErrBlocked, checkpoint.ErrBehind)
}

// createConversation begins a conversation, or finds the direct one that two
// users have.
func (c *conversations) createConversation(ctx context.Context, in *createConversationInput) (*conversationOutput, error) {
	create := domain.CreateConversation{
		Actor: web.CallerFrom(ctx).UserID, Kind: in.Body.Kind, Name: in.Body.Name, Members: in.Body.Members,
	}
	if err := create.Check(); err != nil {
		return nil, err
	}
	others := create.Others()
	strangers, err := c.Identities.Unregistered(ctx, append([]domain.ID{create.Actor}, others...))
	switch {
	case err != nil:
		return nil, err
	case slices.Contains(strangers, create.Actor):
		return nil, web.ErrUnauthenticated // erased, with a token that is still good
	case len(strangers) > 0:
		return nil, domain.ErrUserNotFound
	}
	if create.Kind == domain.Direct {
		if create.Blocked, err = c.Log.Blocked(ctx, create.Actor, others[0]); err != nil {
			return nil, err
		}
	}
	if err := c.reserveKey(ctx, create.Actor, in.Key, in.Request()); err != nil {
		return nil, err
	}
	id := conversationID(create, others, in.Key)
	done, err := c.decide(ctx, command(id, create.Actor, in.Key, in.Request()), func(state *domain.Conversation, _ int64) ([]domain.Event, error) {
		return state.Create(create)
	})
	if err != nil {
		return nil, err
	}
	if len(done.Events) == 0 {
		return c.existingConversation(ctx, create.Actor, id, done)
	}
	conversation, err := createdConversation(create.Actor, done)
	if err != nil {
		return nil, err
	}
	return &conversationOutput{Status: http.StatusCreated, Written: written(done), Body: conversation}, nil
}

// reserveKey refuses a key that the caller has used for another creation. Creations
// are in different streams, so the caller's own stream stores the request.
func (c *conversations) reserveKey(ctx context.Context, user domain.ID, key string, request [][]byte) error {
	if key == "" {
		return nil
	}
	_, err := eventlog.Execute(ctx, c.Log, eventlog.Users, command(user, user, "create "+key, request),
		func(*domain.User, int64) ([]domain.Event, error) { return nil, nil })
	return err
}

// conversationID names the conversation: a direct one by its two users, a
// group by the request's key, so that a retry finds what it has made.
func conversationID(create domain.CreateConversation, others []domain.ID, key string) domain.ID {
	switch {
	case create.Kind == domain.Direct:
		return domain.DirectID(create.Actor, others[0])
	case key != "":
		return domain.DerivedID([]byte("group"), create.Actor[:], []byte(key))
	}
	return eventlog.NewID()
}

// createdConversation is a new conversation as its creator sees it, from the
// events that made it.
func createdConversation(creator domain.ID, done eventlog.Result) (web.Conversation, error) {
	first := done.Events[0]
	created, err := payload[domain.ConversationCreated](first)
	if err != nil {
		return web.Conversation{}, err
	}
	conversation := web.Conversation{
		ID: first.Stream, Kind: created.Kind, MemberCount: len(done.Events) - 1, LastSeq: done.Version, CreatedAt: first.RecordedAt,
	}
	if created.Name != "" {
		conversation.Name = &created.Name
	}
	// What follows the creation is what was done then, not what has been since.
	conversation.ReadSeq = first.Version + 1 // that of the creator's own member.added
	for _, e := range done.Events[1:] {
		added, err := payload[domain.MemberAdded](e)
		if err != nil {
			return web.Conversation{}, err
		}
		switch {
		case added.UserID == creator:
			conversation.Role = added.Role
		case created.Kind == domain.Direct:
			conversation.PeerID = &added.UserID
		}
	}
	return conversation, nil
}

func (c *conversations) existingConversation(ctx context.Context, user, id domain.ID, done eventlog.Result) (*conversationOutput, error) {
	conversation, err := c.Reads.Conversation(ctx, user, id, done.At)
	if err != nil {
		return nil, err
	}
	return &conversationOutput{Status: http.StatusOK, Written: written(done), Body: conversation}, nil
}
