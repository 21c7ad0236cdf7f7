package domain

// MessageSent says that a member sent a message; the event's id is the
// message's id, the event's version is the message's seq.
type MessageSent struct {
	MessageID ID     `json:"-"`
	Body      string `json:"body"`
	ReplyTo   ID     `json:"reply_to,omitzero"`
	Mentions  []ID   `json:"mentions,omitempty"` // members, resolved when it was sent
	Erased    bool   `json:"erased,omitempty"`   // its author was erased, and the body with them
}

func (MessageSent) Type() string   { return "message.sent" }
func (MessageSent) Decisive() bool { return false }
func (m MessageSent) EventID() ID  { return m.MessageID }

// MessageRef names the message that an event is about: by its id, and by its
// seq, which is where every reader of the log finds it.
type MessageRef struct {
	MessageID  ID    `json:"message_id"`
	MessageSeq int64 `json:"message_seq"`
}

// MessageEdited says that a message has another body. Its mentions stay those
// of when it was sent: an edit rings nobody's bell.
type MessageEdited struct {
	MessageRef
	Body   string `json:"body"`
	Erased bool   `json:"erased,omitempty"`
}

func (MessageEdited) Type() string   { return "message.edited" }
func (MessageEdited) Decisive() bool { return false }

// MessageDeleted says that a message is a tombstone from now on, whatever else
// is said of it afterwards.
type MessageDeleted struct{ MessageRef }

func (MessageDeleted) Type() string   { return "message.deleted" }
func (MessageDeleted) Decisive() bool { return false }

// Message is what decisions need of a message, read from the log by its id. It may
// be outdated when the decision is stored: another node may delete the message at
// the same moment. So code that folds the log lets the deletion win, and every
// other event about a message sets a state.
type Message struct {
	MessageRef
	Author  ID
	Body    string
	Deleted bool
	Pinned  bool
}

// SendMessage asks to add a message. The caller has made sure that ReplyTo,
// if set, is a message of the same conversation: messages never cease to
// exist, so that stays true.
type SendMessage struct {
	Actor     ID
	MessageID ID
	Body      string
	ReplyTo   ID
	Mentions  []ID // the users whose handles the body names
	Blocked   bool // one of the two of a direct conversation blocks the other
}

// SendMessage decides the command of that name.
func (c *Conversation) SendMessage(cmd SendMessage) ([]Event, error) {
	if _, err := c.writer(cmd.Actor, cmd.Blocked); err != nil {
		return nil, err
	}
	if err := checkBody(cmd.Body); err != nil {
		return nil, err
	}
	sent := MessageSent{MessageID: cmd.MessageID, Body: cmd.Body, ReplyTo: cmd.ReplyTo}
	if len(cmd.Mentions) > 0 {
		sent.Mentions = c.mentioned(cmd.Mentions, cmd.Actor)
	}
	return []Event{sent}, nil
}

// EditMessage asks for another body. Message is zero when there is none.
type EditMessage struct {
	Actor   ID
	Message Message
	Body    string
	Blocked bool
}

// EditMessage decides the command of that name: authors edit their own messages.
func (c *Conversation) EditMessage(cmd EditMessage) ([]Event, error) {
	if _, err := c.writer(cmd.Actor, cmd.Blocked); err != nil {
		return nil, err
	}
	switch m := cmd.Message; {
	case m.MessageID.IsZero():
		return nil, ErrMessageNotFound
	case m.Author != cmd.Actor:
		return nil, ErrForbidden
	case m.Deleted:
		return nil, ErrMessageDeleted
	}
	if err := checkBody(cmd.Body); err != nil {
		return nil, err
	}
	if cmd.Body == cmd.Message.Body {
		return nil, nil
	}
	return []Event{MessageEdited{MessageRef: cmd.Message.MessageRef, Body: cmd.Body}}, nil
}

// DeleteMessage asks to make a message a tombstone.
type DeleteMessage struct {
	Actor   ID
	Message Message
}

// DeleteMessage decides the command of that name: authors delete their own messages,
// admins any. A user who may no longer write may still delete their messages.
func (c *Conversation) DeleteMessage(cmd DeleteMessage) ([]Event, error) {
	role, err := c.roleOf(cmd.Actor)
	switch m := cmd.Message; {
	case err != nil:
		return nil, err
	case role < RoleMember:
		return nil, ErrForbidden
	case m.MessageID.IsZero():
		return nil, ErrMessageNotFound
	case m.Author != cmd.Actor && role < RoleAdmin:
		return nil, ErrForbidden
	case m.Deleted:
		return nil, nil
	}
	return []Event{MessageDeleted{cmd.Message.MessageRef}}, nil
}
