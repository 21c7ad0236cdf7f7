package domain

// ReactionAdded says that the actor has this reaction on a message. Reactions are a
// set: adding one twice has no effect.
type ReactionAdded struct {
	MessageRef
	Emoji string `json:"emoji"`
}

func (ReactionAdded) Type() string   { return "reaction.added" }
func (ReactionAdded) Decisive() bool { return false }

// ReactionRemoved says that the actor no longer has this reaction.
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
	On      bool // the wanted state
	Is      bool // the present state, read from the log
	Mine    int  // how many reactions the actor has on the message
	Blocked bool
}

// Check applies the rule that needs no state, so that a caller can refuse before
// it looks up a reaction that cannot exist.
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
