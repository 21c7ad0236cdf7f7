package domain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxBody is the greatest length of a message body, in characters.
const MaxBody = 4000

// MessageSent says that a member sent a message; the event's id is the
// message's id, the event's version is the message's seq.
type MessageSent struct {
	MessageID ID     `json:"-"`
	Body      string `json:"body"`
	ReplyTo   ID     `json:"reply_to,omitzero"`
}

func (MessageSent) Type() string   { return "message.sent" }
func (MessageSent) Decisive() bool { return false }
func (m MessageSent) EventID() ID  { return m.MessageID }

// ReadAdvanced says that the acting member has read up to Seq.
type ReadAdvanced struct {
	Seq int64 `json:"seq"`
}

func (ReadAdvanced) Type() string   { return "read.advanced" }
func (ReadAdvanced) Decisive() bool { return false }

// SendMessage asks to add a message. The caller has made sure that ReplyTo,
// if set, is a message of the same conversation: messages never cease to
// exist, so that stays true.
type SendMessage struct {
	Actor     ID
	MessageID ID
	Body      string
	ReplyTo   ID
}

// SendMessage decides the command of that name.
func (c *Conversation) SendMessage(cmd SendMessage) ([]Event, error) {
	role, err := c.roleOf(cmd.Actor)
	if err != nil {
		return nil, err
	}
	if role < RoleMember {
		return nil, ErrForbidden
	}
	if err := checkBody(cmd.Body); err != nil {
		return nil, err
	}
	return []Event{MessageSent{MessageID: cmd.MessageID, Body: cmd.Body, ReplyTo: cmd.ReplyTo}}, nil
}

// AdvanceRead asks to mark everything up to Seq as read.
type AdvanceRead struct {
	Actor ID
	Seq   int64
	// LastSeq is the conversation's last version that the caller knows of.
	LastSeq int64
}

// AdvanceRead decides the command of that name. Markers that lag behind are
// harmless: readers keep the greatest.
func (c *Conversation) AdvanceRead(cmd AdvanceRead) ([]Event, error) {
	if _, err := c.roleOf(cmd.Actor); err != nil {
		return nil, err
	}
	if cmd.Seq < 1 || cmd.Seq > cmd.LastSeq {
		return nil, ErrSeqInvalid
	}
	return []Event{ReadAdvanced{Seq: cmd.Seq}}, nil
}

// checkBody holds the contract's rule for bodies. What passes is stored byte
// for byte: trimming only counts.
func checkBody(body string) error {
	if !utf8.ValidString(body) || strings.IndexByte(body, 0) >= 0 {
		return ErrBodyInvalid
	}
	trimmed := strings.TrimFunc(body, unicode.IsSpace)
	if trimmed == "" {
		return ErrBodyEmpty
	}
	if utf8.RuneCountInString(trimmed) > MaxBody {
		return ErrBodyTooLong
	}
	return nil
}

func cleanName(name string) (string, error) {
	name = strings.TrimFunc(name, unicode.IsSpace)
	if n := utf8.RuneCountInString(name); n < 1 || n > 100 || !utf8.ValidString(name) {
		return "", ErrNameInvalid
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return "", ErrNameInvalid
	}
	return name, nil
}
