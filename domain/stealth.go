package domain

// SendStealth asks to send a stealth message, which never enters the log.
type SendStealth struct {
	Actor   ID
	Body    string
	Blocked bool // one member of a direct conversation blocks the other
}

// SendStealth decides the command of that name. The rules are those for messages.
func (c *Conversation) SendStealth(cmd SendStealth) error {
	if err := c.Typing(cmd.Actor, cmd.Blocked); err != nil {
		return err
	}
	return checkBody(cmd.Body)
}

// Typing decides whether an actor may be shown as typing: only if they may write.
// blocked says that one member of a direct conversation blocks the other.
func (c *Conversation) Typing(actor ID, blocked bool) error {
	_, err := c.writer(actor, blocked)
	return err
}

// WithdrawStealth decides whether an actor may withdraw their stealth message: any
// member may, even if they may no longer write.
func (c *Conversation) WithdrawStealth(actor ID) error {
	_, err := c.roleOf(actor)
	return err
}
