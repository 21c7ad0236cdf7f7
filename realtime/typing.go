package realtime

import (
	"context"
	"time"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/realtime/protocol"
)

// typingAgain is the minimum time between two typing frames that are published.
const typingAgain = 2 * time.Second

// typed is where the user of a socket was last published as typing; the zero value is nowhere.
type typed struct {
	conversation domain.ID
	at           time.Time
}

// typing publishes that the user of this socket is typing, or stopped. A user types
// in one conversation at a time per socket.
func (s *socket) typing(ctx context.Context, frame protocol.ClientFrame) {
	conversation := frame.ConversationID
	p := s.hub.partitionOf(conversation)
	switch inside, writes := p.standing(s, conversation); {
	case !inside:
		s.answer(protocol.ErrConversationNotFound, frame.ID) // the user may just have been removed
		return
	case !writes:
		s.answer(protocol.ErrForbidden, frame.ID)
		return
	}
	same := s.typed.conversation == conversation && time.Since(s.typed.at) < ephemeral.TypingLife
	switch {
	case frame.On && same && time.Since(s.typed.at) < typingAgain, !frame.On && !same:
		return // nothing has changed
	case !takeNews(&s.news, time.Now()):
		s.answer(protocol.ErrFrameRate, frame.ID)
		return
	case frame.On && !same:
		s.stopTyping(ctx)
	}
	blocked, known := s.hub.presence.Local.BlockedBy(s.user)
	if !known {
		return // the client repeats it
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

// stopTyping publishes that the user stopped typing. If that fails, the state
// expires.
func (s *socket) stopTyping(ctx context.Context) {
	if s.typed.conversation.IsZero() || time.Since(s.typed.at) >= ephemeral.TypingLife {
		return
	}
	if blocked, known := s.hub.presence.Local.BlockedBy(s.user); known {
		_ = s.hub.store.Typing(ctx, s.typed.conversation, s.user, false, blocked)
	}
	s.typed = typed{}
}

// present applies the presence of this device.
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
		s.answer(protocol.ErrEphemeralUnavailable, frame.ID) // it is published when Redis is available
	}
}
