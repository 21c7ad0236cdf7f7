package readapi

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

// exportUser answers everything that is stored about the caller as one JSON object, an Archive. The frames of its
// conversations are those by the caller or about them, and those that name the conversation.
//
// It is read page by page from the log and the identities, which are never behind, so it needs little memory. Secrets
// (the hashes of the password and the refresh tokens) are not in it.
func (r *reads) exportUser(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	caller := web.CallerFrom(ctx).UserID
	identity, err := r.exportedIdentity(ctx, caller)
	if err != nil {
		return nil, err
	}
	user, err := r.userState(ctx, caller)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/json")
		ctx.SetHeader("Content-Disposition", `attachment; filename="ping-export.json"`)
		ctx.SetHeader("Cache-Control", "no-store")
		response := http.NewResponseController(humaecho.Unwrap(ctx).Response())
		_ = response.SetReadDeadline(time.Time{}) // it would end the request; a server without support has no deadline
		e := &export{reads: r, user: caller, response: response, out: bufio.NewWriterSize(ctx.BodyWriter(), 32<<10)}
		if err := e.run(ctx.Context(), identity, user); err != nil {
			// Abort the connection, so that a part is not mistaken for the whole.
			panic(http.ErrAbortHandler)
		}
		_ = response.SetWriteDeadline(time.Time{})
	}}, nil
}

// Archive documents the shape of an export, which is written piece by piece.
type Archive struct {
	UserID        domain.ID              `json:"user_id"`
	ExportedAt    time.Time              `json:"exported_at"`
	Identity      exportedIdentity       `json:"identity"`
	Profile       exportedProfile        `json:"profile"`
	Blocked       []domain.ID            `json:"blocked"`
	Events        []json.RawMessage      `json:"events" doc:"The frames of the caller's own events, oldest first."`
	Conversations []exportedConversation `json:"conversations" doc:"The conversations that the caller is or was in."`
}

type exportedConversation struct {
	ID     domain.ID         `json:"id"`
	Events []json.RawMessage `json:"events" doc:"The frames by the caller or about them, oldest first."`
}

type exportedProfile struct {
	DisplayName string `json:"display_name" example:"Ada"`
	Handle      string `json:"handle" example:"ada"`
	Bio         string `json:"bio" example:"Counts."`
	AvatarURL   string `json:"avatar_url" example:"https://example.org/ada.png"`
}

// exportOperation adds the shape of the answer, which a streamed output does not have.
func exportOperation(op huma.Operation, registry huma.Registry) huma.Operation {
	op.Responses = map[string]*huma.Response{"200": {Description: "The archive.", Content: map[string]*huma.MediaType{
		"application/json": {Schema: registry.Schema(reflect.TypeFor[Archive](), true, "Archive")},
	}}}
	return op
}

type exportedIdentity struct {
	Email        string            `json:"email" example:"ada@example.org"`
	CreatedAt    time.Time         `json:"created_at"`
	RegisteredAt *time.Time        `json:"registered_at"`
	Handles      []string          `json:"handles"`
	Sessions     []exportedSession `json:"sessions"`
}

type exportedSession struct {
	ID        domain.ID  `json:"id"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

func (r *reads) exportedIdentity(ctx context.Context, user domain.ID) (exportedIdentity, error) {
	account, err := r.identities.Export(ctx, user)
	if err != nil {
		return exportedIdentity{}, err
	}
	exported := exportedIdentity{
		Email: account.Email, CreatedAt: account.CreatedAt, RegisteredAt: account.RegisteredAt, Handles: account.Handles,
	}
	for _, s := range account.Sessions {
		exported.Sessions = append(exported.Sessions, exportedSession(s))
	}
	return exported, nil
}

// userState returns a copy of the user's current state.
func (r *reads) userState(ctx context.Context, id domain.ID) (*domain.User, error) {
	user, _, err := eventlog.Inspect(ctx, r.log, eventlog.Users, id, func(u *domain.User) *domain.User {
		copied := *u
		copied.Blocked = maps.Clone(u.Blocked)
		return &copied
	})
	return user, err
}

const (
	// exportPage is the number of events or conversations that are read at once.
	exportPage = 200
	// exportPageTimeout is how long a client may take to receive a page.
	exportPageTimeout = 30 * time.Second
)

// export writes one archive to its client.
type export struct {
	reads    *reads
	user     domain.ID
	response *http.ResponseController
	out      *bufio.Writer
}

func (e *export) run(ctx context.Context, identity exportedIdentity, user *domain.User) error {
	blocked := make([]domain.ID, 0, len(user.Blocked))
	for id := range user.Blocked {
		blocked = append(blocked, id)
	}
	if err := e.startPage(); err != nil {
		return err
	}
	head, err := json.Marshal(map[string]any{
		"user_id": e.user, "exported_at": time.Now().UTC(), "identity": identity, "blocked": blocked,
		"profile": exportedProfile{DisplayName: user.DisplayName, Handle: user.Handle, Bio: user.Bio, AvatarURL: user.AvatarURL},
	})
	if err != nil {
		return err
	}
	_, _ = e.out.Write(head[:len(head)-1]) // a bufio.Writer keeps its error for Flush
	e.write(`,"events":[`)
	if err := e.events(ctx, e.user); err != nil {
		return err
	}
	e.write(`],"conversations":[`)
	if err := e.conversations(ctx); err != nil {
		return err
	}
	e.write("]}\n")
	return e.flush()
}

func (e *export) write(s string) { _, _ = e.out.WriteString(s) }

// startPage starts the timeout for the next page.
func (e *export) startPage() error {
	return e.response.SetWriteDeadline(time.Now().Add(exportPageTimeout))
}

// flush sends what is buffered.
func (e *export) flush() error {
	if err := e.out.Flush(); err != nil {
		return err
	}
	return e.response.Flush()
}

func (e *export) conversations(ctx context.Context) error {
	separator := ""
	for after := (domain.ID{}); ; {
		joined, err := e.reads.log.JoinedConversations(ctx, e.user, after, exportPage)
		if err != nil {
			return err
		}
		for _, id := range joined {
			after = id
			e.write(separator + `{"id":"` + id.String() + `","events":[`)
			if err := e.events(ctx, id); err != nil {
				return err
			}
			e.write(`]}`)
			separator = ","
		}
		if len(joined) < exportPage {
			return nil
		}
	}
}

// events writes the events of a stream that concern the user.
func (e *export) events(ctx context.Context, stream domain.ID) error {
	separator := ""
	for after := int64(0); ; {
		page, upTo, err := e.reads.log.ReadUserEvents(ctx, stream, e.user, after, exportPage)
		if err != nil {
			return err
		}
		if err := e.startPage(); err != nil {
			return err
		}
		for _, event := range page {
			e.write(separator)
			_, _ = e.out.Write(event.Frame)
			separator = ","
		}
		if err := e.flush(); err != nil {
			return err
		}
		if upTo == 0 {
			return nil
		}
		after = upTo
	}
}
