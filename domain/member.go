package domain

// MemberAdded says that a user is now a member.
type MemberAdded struct {
	UserID ID   `json:"user_id"`
	Role   Role `json:"role"`
}

func (MemberAdded) Type() string   { return "member.added" }
func (MemberAdded) Decisive() bool { return true }

// MemberRemoved says that a user is no longer a member. If the actor is that user,
// they left.
type MemberRemoved struct {
	UserID ID `json:"user_id"`
}

func (MemberRemoved) Type() string   { return "member.removed" }
func (MemberRemoved) Decisive() bool { return true }

// MemberRoleChanged says that a member now has another role.
type MemberRoleChanged struct {
	UserID ID   `json:"user_id"`
	Role   Role `json:"role"`
}

func (MemberRoleChanged) Type() string   { return "member.role_changed" }
func (MemberRoleChanged) Decisive() bool { return true }

// MemberErased says that a member or former member was erased. No event of theirs
// follows, and all of their earlier messages are tombstones.
type MemberErased struct {
	UserID ID `json:"user_id"`
}

func (MemberErased) Type() string   { return "member.erased" }
func (MemberErased) Decisive() bool { return true }

// Member is what decisions need of a membership.
type Member struct {
	Role Role
	// Joined orders the members by their last join, from 1.
	Joined int
}

// AddMember asks to make a user a member. The caller has verified that UserID is a
// user.
type AddMember struct {
	Actor  ID
	UserID ID
	Role   Role
}

// AddMember decides the command of that name. Admins add members with lower roles;
// owners add any.
func (c *Conversation) AddMember(cmd AddMember) ([]Event, error) {
	role, err := c.roleInGroup(cmd.Actor)
	if err != nil {
		return nil, err
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
	if c.Erased[cmd.UserID] {
		return nil, ErrUserNotFound
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
	role, err := c.roleInGroup(cmd.Actor)
	if err != nil {
		return nil, err
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

// ChangeRole asks for another role of a member.
type ChangeRole struct {
	Actor  ID
	UserID ID
	Role   Role
}

// ChangeRole decides the command of that name. Admins assign roles below their own
// to members below them; owners change everyone except other owners. An owner who
// makes another member the owner becomes an admin. Everyone except the last owner
// may lower their own role.
func (c *Conversation) ChangeRole(cmd ChangeRole) ([]Event, error) {
	actor, err := c.roleInGroup(cmd.Actor)
	if err != nil {
		return nil, err
	}
	if cmd.Role < RoleReader || cmd.Role > RoleOwner {
		return nil, ErrRoleInvalid
	}
	target := c.Members[cmd.UserID].Role
	self := cmd.UserID == cmd.Actor
	switch {
	case actor < RoleAdmin && (!self || cmd.Role > actor):
		return nil, ErrForbidden
	case target == NoRole:
		return nil, ErrMemberNotFound
	case target == cmd.Role:
		return nil, nil
	case self && actor == RoleOwner && !c.successor(cmd.Actor).IsZero(), self && actor == RoleOwner && len(c.Members) == 1:
		return nil, ErrLastOwner
	case !self && target >= actor, actor < RoleOwner && cmd.Role >= actor:
		return nil, ErrForbidden
	}
	events := []Event{MemberRoleChanged{UserID: cmd.UserID, Role: cmd.Role}}
	if cmd.Role == RoleOwner {
		events = append(events, MemberRoleChanged{UserID: cmd.Actor, Role: RoleAdmin})
	}
	return events, nil
}

// EraseMember asks to end the membership of a user who is being erased. The caller
// has verified that they are or were a member.
type EraseMember struct{ UserID ID }

// EraseMember decides the command of that name. In a direct conversation the user
// stays a member, for the sake of the other one.
func (c *Conversation) EraseMember(cmd EraseMember) ([]Event, error) {
	if c.Erased[cmd.UserID] {
		return nil, nil
	}
	var events []Event
	if _, in := c.Members[cmd.UserID]; in && c.Kind == Group {
		var err error
		if events, err = c.RemoveMember(RemoveMember{Actor: cmd.UserID, UserID: cmd.UserID}); err != nil {
			return nil, err
		}
	}
	return append(events, MemberErased(cmd)), nil
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
