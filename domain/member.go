package domain

// AddMember asks to make a user a member. The caller has made sure that
// UserID is a user.
type AddMember struct {
	Actor  ID
	UserID ID
	Role   Role
}

// AddMember decides the command of that name. Admins add those below them;
// the owner adds anyone.
func (c *Conversation) AddMember(cmd AddMember) ([]Event, error) {
	role, err := c.roleOf(cmd.Actor)
	if err != nil {
		return nil, err
	}
	if c.Kind == Direct {
		return nil, ErrDirectIsFixed
	}
	if cmd.Role < RoleReader || cmd.Role > RoleOwner {
		return nil, ErrRoleInvalid
	}
	if role < RoleAdmin || (role < RoleOwner && cmd.Role >= role) {
		return nil, ErrForbidden
	}
	if _, ok := c.Members[cmd.UserID]; ok {
		return nil, nil
	}
	return []Event{MemberAdded{UserID: cmd.UserID, Role: cmd.Role}}, nil
}

// RemoveMember asks to end a membership, or to leave when it is one's own.
type RemoveMember struct {
	Actor  ID
	UserID ID
}

// RemoveMember decides the command of that name. When the last owner leaves,
// a successor becomes owner first, so that at no version the group lacks one.
func (c *Conversation) RemoveMember(cmd RemoveMember) ([]Event, error) {
	role, err := c.roleOf(cmd.Actor)
	if err != nil {
		return nil, err
	}
	if c.Kind == Direct {
		return nil, ErrDirectIsFixed
	}
	target := c.Members[cmd.UserID].Role
	if target == NoRole {
		return nil, nil
	}
	if cmd.Actor != cmd.UserID && (role < RoleAdmin || target >= role) {
		return nil, ErrForbidden
	}
	removed := MemberRemoved{UserID: cmd.UserID}
	if successor := c.successor(cmd.UserID); !successor.IsZero() {
		return []Event{MemberRoleChanged{UserID: successor, Role: RoleOwner}, removed}, nil
	}
	return []Event{removed}, nil
}

// successor returns who becomes owner when the given member goes: the member
// of the greatest role, among those the one who joined first. It is zero when
// an owner stays, when the leaving one is none, or when nobody is left.
func (c *Conversation) successor(leaving ID) ID {
	if c.Members[leaving].Role != RoleOwner {
		return ID{}
	}
	var heir ID
	var best Member
	for id, m := range c.Members {
		if id == leaving {
			continue
		}
		if m.Role > best.Role || (m.Role == best.Role && m.Joined < best.Joined) {
			heir, best = id, m
		}
	}
	if best.Role == RoleOwner {
		return ID{}
	}
	return heir
}
