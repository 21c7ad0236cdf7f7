package domain

// Redact returns an event without what its person wrote or is called by, and
// whether there was any such thing in it. Who did what, when and to which
// message stays: others' history leans on it.
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
