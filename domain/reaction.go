package domain

// ReactionAdded says that the acting member has this reaction on a message. It
// is a set: who adds it twice has it once.
type ReactionAdded struct {
	MessageRef
	Emoji string `json:"emoji"`
}

func (ReactionAdded) Type() string   { return "reaction.added" }
func (ReactionAdded) Decisive() bool { return false }

// ReactionRemoved says that the acting member has this reaction no longer.
type ReactionRemoved struct {
	MessageRef
	Emoji string `json:"emoji"`
}

func (ReactionRemoved) Type() string   { return "reaction.removed" }
func (ReactionRemoved) Decisive() bool { return false }

// MaxReactions bounds the reactions that one member has on one message.
const MaxReactions = 20

// React asks to add one's reaction to a message, or to remove it.
type React struct {
	Actor   ID
	Message Message
	Emoji   string
	On      bool // what it shall be
	Is      bool // what it is, as the log tells it
	Mine    int  // how many reactions the actor has on the message
	Blocked bool
}

// Check holds the rule that needs no state, so that a caller can refuse before
// it looks for a reaction that cannot be stored.
func (cmd React) Check() error { return checkEmoji(cmd.Emoji) }

// React decides the command of that name.
func (c *Conversation) React(cmd React) ([]Event, error) {
	if _, err := c.writer(cmd.Actor, cmd.Blocked); err != nil {
		return nil, err
	}
	if cmd.Message.MessageID.IsZero() {
		return nil, ErrMessageNotFound
	}
	if err := cmd.Check(); err != nil {
		return nil, err
	}
	switch m := cmd.Message; {
	case m.Deleted && cmd.On:
		return nil, ErrMessageDeleted
	case m.Deleted || cmd.Is == cmd.On:
		return nil, nil
	case cmd.On && cmd.Mine >= MaxReactions:
		return nil, ErrTooManyReactions
	case cmd.On:
		return []Event{ReactionAdded{m.MessageRef, cmd.Emoji}}, nil
	default:
		return []Event{ReactionRemoved{m.MessageRef, cmd.Emoji}}, nil
	}
}
