package realtime

import (
	"time"

	"ping/domain"
	"ping/internal/ephemeral"
)

// described is a frame as the contract tells it.
type described struct {
	frame   any // the zero value of its struct
	summary string
}

// serverFrames are the frames of the server by their type, but for `event`.
var serverFrames = map[string]described{
	"hello":         {helloFrame{}, "At once, first."},
	"ready":         {readyFrame{}, "The stream begins, or its replay."},
	"resumed":       {resumedFrame{}, "The replay is done."},
	"gap":           {gapFrame{}, "Events that are not replayed: read them over HTTP."},
	"reconnect":     {reconnectFrame{}, "The close follows: come back later."},
	"error":         {errorFrame{}, "A frame of the client was not accepted; the stream goes on."},
	"pong":          {pongFrame{}, "Answers ping."},
	"typing":        {ephemeral.TypingFrame{}, "A member is writing, or not any more."},
	"presence":      {ephemeral.PresenceFrame{}, "A user's presence is another one now."},
	"stealth":       {ephemeral.StealthFrame{}, "A message that is not kept."},
	"stealth_gone":  {ephemeral.StealthGoneFrame{}, "A stealth message is gone."},
	"ephemeral_gap": {ephemeralGapFrame{}, "Stealth messages, typing and presence may have been missed."},
}

// clientFrames are the frames of a client by their type.
var clientFrames = map[string]described{
	"resume":   {clientResume{}, "Go on from these positions: the first frame, or never."},
	"refresh":  {clientRefresh{}, "Extend the stream by a newer access token; no answer but an error."},
	"ping":     {clientPing{}, "Is the server there? It answers pong."},
	"typing":   {clientTyping{}, "The user is writing, or not any more; no answer but an error."},
	"presence": {clientPresence{}, "How this device is to be seen; no answer but an error."},
}

// eventFrame is a durable event as eventlog.Event.Frame has it, for the
// contract. Its data differs from event to event; an event of a user's own
// stream has user_id in place of conversation_id.
type eventFrame struct {
	Type           string    `json:"type" enum:"event"`
	At             string    `json:"at" doc:"Its place in the log: resume from the last one of each partition."`
	ConversationID domain.ID `json:"conversation_id"`
	Seq            int64     `json:"seq" minimum:"1" example:"42" doc:"Its number in the conversation: 1, 2, 3… without gaps."`
	Event          string    `json:"event" doc:"What has happened; data is of that shape."`
	ID             domain.ID `json:"id" doc:"Of the event; a message has that of its message.sent."`
	ActorID        domain.ID `json:"actor_id" doc:"Who did it."`
	RecordedAt     time.Time `json:"recorded_at"`
	Data           struct{}  `json:"data"`
}

// describedEvent is a durable event as the contract tells it.
type describedEvent struct {
	event   domain.Event
	summary string
}

// durableEvents are all that the log may hold.
var durableEvents = []describedEvent{
	{domain.ConversationCreated{}, "The conversation is there; its members follow, as member.added."},
	{domain.ConversationRenamed{}, "It has another name or topic; what is absent stays, an empty topic is none."},
	{domain.MemberAdded{}, "A user is a member now."},
	{domain.MemberRoleChanged{}, "A member has another role."},
	{domain.MemberRemoved{}, "A user is a member no longer; he left when he is the actor."},
	{domain.MemberErased{}, "A person was erased: all of his messages before are tombstones."},
	{domain.MessageSent{}, "A message; its id is the event's, its seq too. Erased: the body went with its author."},
	{domain.MessageEdited{}, "A message has another body."},
	{domain.MessageDeleted{}, "A message is a tombstone for good: drop its body, whatever else is said of it."},
	{domain.MessagePinned{}, "A message is pinned."},
	{domain.MessageUnpinned{}, "A message is not pinned."},
	{domain.ReactionAdded{}, "The actor has this emoji on a message."},
	{domain.ReactionRemoved{}, "The actor does not have this emoji on a message."},
	{domain.ReadAdvanced{}, "The actor has read up to there; the greatest counts."},
	{domain.UserRegistered{}, "The user is there."},
	{domain.ProfileChanged{}, "The user's profile is another one; what is absent stays, an empty text is none."},
	{domain.UserBlocked{}, "The user blocks another one."},
	{domain.UserUnblocked{}, "The user does not block another one any more."},
	{domain.UserErased{}, "The user is erased; nothing follows."},
}
