package domain

// ReadAdvanced says that the acting member has read up to Seq.
type ReadAdvanced struct {
	Seq int64 `json:"seq"`
}

func (ReadAdvanced) Type() string   { return "read.advanced" }
func (ReadAdvanced) Decisive() bool { return false }

// AdvanceRead asks to mark everything up to Seq as read.
type AdvanceRead struct {
	Actor ID
	Seq   int64
	// LastSeq is the conversation's last version that the caller knows of.
	LastSeq int64
	// Marked is the greatest seq that the actor marked before.
	Marked int64
}

// AdvanceRead decides the command of that name. A marker that does not advance
// yields no event; if two nodes decide at the same time, readers keep the greatest.
func (c *Conversation) AdvanceRead(cmd AdvanceRead) ([]Event, error) {
	if _, err := c.roleOf(cmd.Actor); err != nil {
		return nil, err
	}
	if cmd.Seq < 1 || cmd.Seq > cmd.LastSeq {
		return nil, ErrSeqInvalid
	}
	if cmd.Seq <= cmd.Marked {
		return nil, nil
	}
	return []Event{ReadAdvanced{Seq: cmd.Seq}}, nil
}
