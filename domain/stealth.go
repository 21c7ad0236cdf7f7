package domain

// SendStealth asks to tell the members something that is not kept: nothing of
// it enters the log.
type SendStealth struct {
	Actor   ID
	Body    string
	Blocked bool // one of the two of a direct conversation blocks the other
}

// SendStealth decides the command of that name: who may send a message may
// send one that does not last, and no other text.
func (c *Conversation) SendStealth(cmd SendStealth) error {
	if err := c.Typing(cmd.Actor, cmd.Blocked); err != nil {
		return err
	}
	return checkBody(cmd.Body)
}

// Typing decides whether an actor may be seen writing: who may write. blocked
// says that one of the two of a direct conversation blocks the other.
func (c *Conversation) Typing(actor ID, blocked bool) error {
	_, err := c.writer(actor, blocked)
	return err
}

// WithdrawStealth decides whether an actor may take back what he sent and what
// is not kept: a member, whether or not he may still write.
func (c *Conversation) WithdrawStealth(actor ID) error {
	_, err := c.roleOf(actor)
	return err
}
