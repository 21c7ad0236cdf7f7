package realtime

import (
	"context"
	"time"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/realtime/protocol"
)

// typingAgain is how soon "still typing" is told again.
const typingAgain = 2 * time.Second

// typed is where a stream was last told to be typing; the zero value is nowhere.
type typed struct {
	conversation domain.ID
	at           time.Time
}

// typing tells the others that this stream's user is writing, or not any more.
// A user types in one place at a time: elsewhere he has stopped.
func (s *socket) typing(ctx context.Context, frame protocol.ClientFrame) {
	conversation := frame.ConversationID
	p := s.hub.partitionOf(conversation)
	switch inside, writes := p.standing(s, conversation); {
	case !inside:
		s.answer(protocol.ErrConversationNotFound, frame.ID) // it may just have been removed
		return
	case !writes:
		s.answer(protocol.ErrForbidden, frame.ID)
		return
	}
	same := s.typed.conversation == conversation && time.Since(s.typed.at) < ephemeral.TypingLife
	switch {
	case frame.On && same && time.Since(s.typed.at) < typingAgain, !frame.On && !same:
		return // that is known
	case !takeNews(&s.news, time.Now()):
		s.answer(protocol.ErrFrameRate, frame.ID)
		return
	case frame.On && !same:
		s.stopTyping(ctx)
	}
	blocked, known := s.hub.presence.Local.BlockedBy(s.user)
	if !known {
		return // it comes again
	}
	if s.hub.store.Typing(ctx, conversation, s.user, frame.On, blocked) != nil {
		s.answer(protocol.ErrEphemeralUnavailable, frame.ID)
		return
	}
	s.typed = typed{}
	if frame.On {
		s.typed = typed{conversation, time.Now()}
	}
}

// stopTyping tells that the user writes no more where he last did. Where that
// fails, it ends by itself.
func (s *socket) stopTyping(ctx context.Context) {
	if s.typed.conversation.IsZero() || time.Since(s.typed.at) >= ephemeral.TypingLife {
		return
	}
	if blocked, known := s.hub.presence.Local.BlockedBy(s.user); known {
		_ = s.hub.store.Typing(ctx, s.typed.conversation, s.user, false, blocked)
	}
	s.typed = typed{}
}

// present takes how this device is to be seen.
func (s *socket) present(frame protocol.ClientFrame) {
	state, ok := ephemeral.ParseState(frame.State)
	if !ok {
		s.refuse(protocol.ErrPresenceInvalid, frame.ID)
		return
	}
	if !takeNews(&s.news, time.Now()) {
		s.answer(protocol.ErrFrameRate, frame.ID)
		return
	}
	s.hub.presence.Local.SetState(&s.device, state)
	if s.hub.store.Away() {
		s.answer(protocol.ErrEphemeralUnavailable, frame.ID) // it is told when Redis is back
	}
}
