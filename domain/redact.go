package domain

// Redact returns an event without the texts and names of its actor, and whether it
// had any. The actor, the time and the message concerned stay, because the history
// of others depends on them.
func Redact(e Event) (redacted Event, personal bool) {
	switch e := e.(type) {
	case UserRegistered:
		return UserRegistered{}, true
	case ProfileChanged:
		return ProfileChanged{}, true
	case MessageSent:
		return MessageSent{MessageID: e.MessageID, ReplyTo: e.ReplyTo, Mentions: e.Mentions, Erased: true}, true
	case MessageEdited:
		return MessageEdited{MessageRef: e.MessageRef, Erased: true}, true
	}
	return e, false
}
