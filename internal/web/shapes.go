package web

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
)

// The shapes of the contract. They are here because commands and reads both answer with them.

// Session is the answer to registering, logging in and refreshing.
type Session struct {
	User         User   `json:"user"`
	AccessToken  string `json:"access_token" doc:"A JWT; send it as Authorization: Bearer."`
	RefreshToken string `json:"refresh_token" doc:"Valid for one refresh. Using it again ends the session."`
	ExpiresIn    int    `json:"expires_in" doc:"Seconds until the access token expires." example:"900"`
}

// User is a user's profile.
type User struct {
	ID          domain.ID  `json:"id"`
	DisplayName string     `json:"display_name" example:"Ada"`
	Handle      *string    `json:"handle" doc:"The name by which others mention the user, without the @." example:"ada"`
	Bio         *string    `json:"bio" example:"Counts."`
	AvatarURL   *string    `json:"avatar_url" example:"https://example.org/ada.png"`
	ErasedAt    *time.Time `json:"erased_at" doc:"When the user was erased; nothing else is known of an erased user."`
}

// UserOf makes a User of a profile, whose empty texts become null.
func UserOf(id domain.ID, p domain.Profile) User {
	return User{ID: id, DisplayName: p.DisplayName, Handle: nonEmpty(p.Handle), Bio: nonEmpty(p.Bio), AvatarURL: nonEmpty(p.AvatarURL)}
}

func nonEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// Conversation is a conversation as its caller sees it.
type Conversation struct {
	ID             domain.ID   `json:"id"`
	Kind           domain.Kind `json:"kind" enum:"direct,group"`
	Name           *string     `json:"name" doc:"Null for a direct conversation." example:"The crew"`
	Topic          *string     `json:"topic" example:"Sails and ropes"`
	PeerID         *domain.ID  `json:"peer_id" nullable:"true" doc:"The other user of a direct conversation; null for a group."`
	Role           domain.Role `json:"role" doc:"The caller's role."`
	MemberCount    int         `json:"member_count" example:"2"`
	LastSeq        int64       `json:"last_seq" doc:"The seq of its last event." example:"42"`
	ReadSeq        int64       `json:"read_seq" doc:"The seq up to which the caller has read." example:"41"`
	UnreadCount    int64       `json:"unread_count" doc:"Messages beyond read_seq." example:"1"`
	UnreadMentions int64       `json:"unread_mentions" doc:"Messages beyond read_seq that mention the caller." example:"0"`
	LastMessage    *Message    `json:"last_message"`
	CreatedAt      time.Time   `json:"created_at"`
}

// TransformSchema documents that last_message may be null, which no struct tag can express for an object.
func (Conversation) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["last_message"] = &huma.Schema{
		Description: "Null if nothing was sent yet.",
		AnyOf:       []*huma.Schema{s.Properties["last_message"], {Type: "null"}},
	}
	return s
}

// Member is a membership in a conversation.
type Member struct {
	UserID domain.ID   `json:"user_id"`
	Role   domain.Role `json:"role"`
}

// Message is a message as its reader sees it.
type Message struct {
	ID             domain.ID   `json:"id"`
	ConversationID domain.ID   `json:"conversation_id"`
	Seq            int64       `json:"seq" doc:"Its number in the conversation; other events have numbers too."`
	AuthorID       domain.ID   `json:"author_id"`
	Body           string      `json:"body" doc:"Empty when the message was deleted." example:"Good morning, @bob!"`
	ReplyTo        *domain.ID  `json:"reply_to" nullable:"true"`
	Mentions       []domain.ID `json:"mentions" nullable:"false" doc:"The members that it mentioned when it was sent."`
	Reactions      []Reaction  `json:"reactions" nullable:"false"`
	EditedAt       *time.Time  `json:"edited_at"`
	DeletedAt      *time.Time  `json:"deleted_at" doc:"Set for a tombstone: the message was deleted, or its author was erased."`
	SentAt         time.Time   `json:"sent_at"`
	Pinned         bool        `json:"pinned"`
}

// Reaction counts one emoji on a message.
type Reaction struct {
	Emoji string `json:"emoji" example:"👍"`
	Count int    `json:"count" example:"3"`
	Mine  bool   `json:"mine"`
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T     `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"The cursor of the next page; null on the last one."`
}
