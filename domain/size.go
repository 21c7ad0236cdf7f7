package domain

// What a state takes in memory, in bytes. A map's entry is counted with the
// free room that a map keeps.
const (
	conversationSize = 128
	memberSize       = 64
	erasedSize       = 32
	userSize         = 160
	blockedSize      = 32
)

// Size is about how many bytes of memory the state takes.
func (c *Conversation) Size() int {
	return conversationSize + len(c.Kind) + len(c.Name) + len(c.Topic) + memberSize*len(c.Members) + erasedSize*len(c.Erased)
}

// Size is about how many bytes of memory the state takes.
func (u *User) Size() int {
	return userSize + len(u.DisplayName) + len(u.Handle) + len(u.Bio) + len(u.AvatarURL) + blockedSize*len(u.Blocked)
}
