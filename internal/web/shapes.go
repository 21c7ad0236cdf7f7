package web

import (
	"time"

	"ping/domain"
)

// The shapes of the contract. Commands answer with them what they have done,
// and reads what is; so they are here, once.

// Session is what a client holds after it registered, logged in or refreshed.
type Session struct {
	User         User   `json:"user"`
	AccessToken  string `json:"access_token" doc:"A JWT; send it as Authorization: Bearer."`
	RefreshToken string `json:"refresh_token" doc:"Good for one refresh. Used again, it ends the session."`
	ExpiresIn    int    `json:"expires_in" doc:"Seconds until the access token expires." example:"900"`
}

// User is a person's profile.
type User struct {
	ID          domain.ID `json:"id"`
	DisplayName string    `json:"display_name" example:"Ada"`
}

// Conversation is a conversation as its caller sees it.
type Conversation struct {
	ID          domain.ID   `json:"id"`
	Kind        domain.Kind `json:"kind" enum:"direct,group"`
	Name        *string     `json:"name" doc:"Null for a direct conversation."`
	Topic       *string     `json:"topic"`
	Role        domain.Role `json:"role" doc:"The caller's role."`
	MemberCount int         `json:"member_count"`
	LastSeq     int64       `json:"last_seq" doc:"The seq of its last event."`
	UnreadCount int64       `json:"unread_count"`
	LastMessage *Message    `json:"last_message"`
	CreatedAt   time.Time   `json:"created_at"`
}

// Member is a membership in a conversation.
type Member struct {
	UserID domain.ID   `json:"user_id"`
	Role   domain.Role `json:"role"`
}

// Message is a message.
type Message struct {
	ID             domain.ID  `json:"id"`
	ConversationID domain.ID  `json:"conversation_id"`
	Seq            int64      `json:"seq" doc:"Its place in the conversation; other events have numbers too."`
	AuthorID       domain.ID  `json:"author_id"`
	Body           string     `json:"body"`
	ReplyTo        *domain.ID `json:"reply_to" nullable:"true"`
	Reactions      []Reaction `json:"reactions" nullable:"false"`
	EditedAt       *time.Time `json:"edited_at"`
	DeletedAt      *time.Time `json:"deleted_at"`
	SentAt         time.Time  `json:"sent_at"`
	Pinned         bool       `json:"pinned"`
}

// Reaction counts one emoji on a message.
type Reaction struct {
	Emoji string `json:"emoji"`
	Count int    `json:"count"`
	Mine  bool   `json:"mine"`
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T     `json:"items" nullable:"false"`
	Next  *string `json:"next" doc:"The cursor of the next page; null on the last."`
}
