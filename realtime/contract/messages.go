package contract

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/ephemeral"
	"ping/internal/web"
	"ping/realtime/protocol"
)

// Frame describes a frame in the contract.
type Frame struct {
	Zero    any // the zero value of its struct
	Summary string
	adjust  func(*huma.Schema) // what the struct's tags cannot express; nil for most
}

// ServerFrames lists the frames of the server by type, except `event`.
var ServerFrames = map[string]Frame{
	"hello":         {protocol.HelloFrame{}, "The first frame, sent at once.", nil},
	"ready":         {protocol.ReadyFrame{}, "Live delivery or the replay begins.", nil},
	"resumed":       {protocol.ResumedFrame{}, "The replay has ended.", nil},
	"gap":           {protocol.GapFrame{}, "Events that are not replayed; read them over HTTP.", adjustGap},
	"reconnect":     {protocol.ReconnectFrame{}, "The socket is about to close; reconnect later.", nil},
	"error":         {protocol.ErrorFrame{}, "A frame of the client was not accepted; the socket stays open.", nil},
	"pong":          {protocol.PongFrame{}, "Answers a ping.", nil},
	"typing":        {ephemeral.TypingFrame{}, "A member started or stopped writing.", nil},
	"presence":      {ephemeral.PresenceFrame{}, "A user's presence changed.", nil},
	"stealth":       {ephemeral.StealthFrame{}, "A stealth message, which is never stored.", nil},
	"stealth_gone":  {ephemeral.StealthGoneFrame{}, "A stealth message has expired or was withdrawn.", nil},
	"ephemeral_gap": {protocol.EphemeralGapFrame{}, "Stealth messages, typing and presence may have been missed.", nil},
}

// ClientFrames lists the frames of a client by type.
var ClientFrames = map[string]Frame{
	"resume":   {protocol.ClientResume{}, "Resumes from these positions. Sent as the first frame or not at all.", nil},
	"refresh":  {protocol.ClientRefresh{}, "Extends the socket's life by a newer access token. Answered only by an error.", nil},
	"ping":     {protocol.ClientPing{}, "Asks the server for a pong.", nil},
	"typing":   {protocol.ClientTyping{}, "The user started or stopped writing. Answered only by an error.", nil},
	"presence": {protocol.ClientPresence{}, "Sets the presence of this device. Answered only by an error.", nil},
}

// eventFrame has the fields of a durable event as eventlog.Event.Frame encodes
// it. Its data depends on the type of event. An event of a user's own stream
// has user_id instead of conversation_id.
type eventFrame struct {
	Type           string    `json:"type" enum:"event"`
	At             string    `json:"at" doc:"The position in the log. Resume from the last one of each partition."`
	ConversationID domain.ID `json:"conversation_id"`
	Seq            int64     `json:"seq" minimum:"1" example:"42" doc:"The number in the conversation: 1, 2, 3… without gaps."`
	Event          string    `json:"event" doc:"The type of event, which determines the shape of data."`
	ID             domain.ID `json:"id" doc:"The id of the event. A message has the id of its message.sent."`
	ActorID        domain.ID `json:"actor_id" doc:"The user who caused the event."`
	RecordedAt     time.Time `json:"recorded_at"`
	Data           struct{}  `json:"data"`
}

// DurableEvent describes an event of the log in the contract.
type DurableEvent struct {
	Event   domain.Event
	Summary string
}

// DurableEvents lists all events that the log may hold.
var DurableEvents = []DurableEvent{
	{domain.ConversationCreated{}, "A conversation was created. Its members follow as member.added."},
	{domain.ConversationRenamed{}, "The name or the topic changed. An absent field is unchanged; an empty topic removes it."},
	{domain.MemberAdded{}, "A user became a member."},
	{domain.MemberRoleChanged{}, "The role of a member changed."},
	{domain.MemberRemoved{}, "A user is no longer a member. They left when they are the actor."},
	{domain.MemberErased{}, "A user was erased. All of their earlier messages are tombstones."},
	{domain.MessageSent{}, "A message. Its id and seq are those of the event. erased: the body was removed with its author."},
	{domain.MessageEdited{}, "The body of a message changed."},
	{domain.MessageDeleted{}, "A message became a tombstone for good. Drop its body, whatever other events say."},
	{domain.MessagePinned{}, "A message was pinned."},
	{domain.MessageUnpinned{}, "A message was unpinned."},
	{domain.ReactionAdded{}, "The actor reacted to a message with this emoji."},
	{domain.ReactionRemoved{}, "The actor removed this emoji from a message."},
	{domain.ReadAdvanced{}, "The actor has read up to this seq. The greatest one counts."},
	{domain.UserRegistered{}, "The user registered."},
	{domain.ProfileChanged{}, "The profile changed. An absent field is unchanged; an empty text removes it."},
	{domain.UserBlocked{}, "The user blocked another user."},
	{domain.UserUnblocked{}, "The user unblocked another user."},
	{domain.UserErased{}, "The user was erased. No event follows."},
}

// UpgradeRefusals lists the errors that may answer the upgrade request.
var UpgradeRefusals = []*domain.Error{
	web.ErrUpgradeRequired, protocol.ErrSubprotocol, protocol.ErrOrigin, protocol.ErrShuttingDown, web.ErrBusy,
	web.ErrUnauthenticated, auth.ErrTicketInvalid, auth.ErrTicketsUnavailable,
}
