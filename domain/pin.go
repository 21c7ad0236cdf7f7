package domain

// MessagePinned says that a message is pinned.
type MessagePinned struct{ MessageRef }

func (MessagePinned) Type() string   { return "message.pinned" }
func (MessagePinned) Decisive() bool { return false }

// MessageUnpinned says that a message is no longer pinned.
type MessageUnpinned struct{ MessageRef }

func (MessageUnpinned) Type() string   { return "message.unpinned" }
func (MessageUnpinned) Decisive() bool { return false }

// PinMessage asks to pin or unpin a message.
type PinMessage struct {
	Actor   ID
	Message Message
	Pinned  bool // the wanted state
	Blocked bool
}

// PinMessage decides the command of that name. In a direct conversation, which has
// no admins, both members may pin.
func (c *Conversation) PinMessage(cmd PinMessage) ([]Event, error) {
	role, err := c.writer(cmd.Actor, cmd.Blocked)
	switch m := cmd.Message; {
	case err != nil:
		return nil, err
	case c.Kind == Group && role < RoleAdmin:
		return nil, ErrForbidden
	case m.MessageID.IsZero():
		return nil, ErrMessageNotFound
	case m.Deleted && cmd.Pinned:
		return nil, ErrMessageDeleted
	case m.Deleted || m.Pinned == cmd.Pinned:
		return nil, nil
	case cmd.Pinned:
		return []Event{MessagePinned{m.MessageRef}}, nil
	default:
		return []Event{MessageUnpinned{m.MessageRef}}, nil
	}
}
