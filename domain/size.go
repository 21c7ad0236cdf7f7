package domain

// The memory of a state in bytes. The size of a map entry includes the unused
// capacity of maps.
const (
	conversationSize = 128
	memberSize       = 64
	erasedSize       = 32
	userSize         = 160
	blockedSize      = 32
)

// Size is the approximate memory of the state, in bytes.
func (c *Conversation) Size() int {
	return conversationSize + len(c.Kind) + len(c.Name) + len(c.Topic) + memberSize*len(c.Members) + erasedSize*len(c.Erased)
}

// Size is the approximate memory of the state, in bytes.
func (u *User) Size() int {
	return userSize + len(u.DisplayName) + len(u.Handle) + len(u.Bio) + len(u.AvatarURL) + blockedSize*len(u.Blocked)
}
