package domain

import (
	"bytes"
	"slices"
)

// Kind is the kind of a conversation.
type Kind string

// The kinds of conversation.
const (
	Direct Kind = "direct"
	Group  Kind = "group"
)

// Role is what a member may do. A greater role includes the rights of the smaller ones.
type Role int

// The roles, in ascending order.
const (
	NoRole Role = iota
	RoleReader
	RoleMember
	RoleAdmin
	RoleOwner
)

var roleNames = [...]string{NoRole: "", RoleReader: "reader", RoleMember: "member", RoleAdmin: "admin", RoleOwner: "owner"}

func (r Role) String() string { return roleNames[r] }

// MarshalText writes the role's name in the contract.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a role's name; ErrRoleInvalid for anything else.
func (r *Role) UnmarshalText(text []byte) error {
	i := slices.Index(roleNames[:], string(text))
	if i <= int(NoRole) {
		return ErrRoleInvalid
	}
	*r = Role(i)
	return nil
}

// MaxFirstMembers bounds the members that a conversation is created with.
const MaxFirstMembers = 1000

// ConversationCreated starts a conversation's stream. A member.added per member
// follows in the same command.
type ConversationCreated struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name,omitempty"`
}

func (ConversationCreated) Type() string   { return "conversation.created" }
func (ConversationCreated) Decisive() bool { return true }

// ConversationRenamed says that a group has another name, topic or both. An absent
// field is unchanged; an empty topic removes it.
type ConversationRenamed struct {
	Name  *string `json:"name,omitempty"`
	Topic *string `json:"topic,omitempty"`
}

func (ConversationRenamed) Type() string   { return "conversation.renamed" }
func (ConversationRenamed) Decisive() bool { return true }

// Conversation is the state for decisions about a conversation, folded from
// decisive events alone.
type Conversation struct {
	Kind    Kind // "" until it is created
	Name    string
	Topic   string
	Members map[ID]Member
	joined  int         // number of joins, including those of former members
	Erased  map[ID]bool // erased members and former members
}

// NewConversation is the state of a conversation's stream without events.
func NewConversation() *Conversation { return &Conversation{Members: map[ID]Member{}} }

// Evolve applies an event. It decides nothing and cannot fail.
func (c *Conversation) Evolve(e Event) {
	switch e := e.(type) {
	case ConversationCreated:
		c.Kind, c.Name = e.Kind, e.Name
	case ConversationRenamed:
		c.Name, c.Topic = or(e.Name, c.Name), or(e.Topic, c.Topic)
	case MemberAdded:
		c.joined++
		c.Members[e.UserID] = Member{Role: e.Role, Joined: c.joined}
	case MemberRoleChanged:
		if m, ok := c.Members[e.UserID]; ok {
			c.Members[e.UserID] = Member{Role: e.Role, Joined: m.Joined}
		}
	case MemberRemoved:
		delete(c.Members, e.UserID)
	case MemberErased:
		if c.Erased == nil {
			c.Erased = map[ID]bool{}
		}
		c.Erased[e.UserID] = true
	}
}

// or returns *p, or other if p is nil.
func or[T any](p *T, other T) T {
	if p != nil {
		return *p
	}
	return other
}

// CreateConversation asks for a new conversation. The caller has verified that
// Members are users.
type CreateConversation struct {
	Actor   ID
	Kind    Kind
	Name    string
	Members []ID // without or with the actor
	// Blocked says that one of the two of a direct conversation has blocked the
	// other.
	Blocked bool
}

// DirectID is the id of the direct conversation of two users, in either order.
func DirectID(a, b ID) ID {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	return DerivedID([]byte("direct"), a[:], b[:])
}

// Others returns the requested members without the actor and without duplicates,
// in the given order.
func (cmd CreateConversation) Others() []ID {
	others := make([]ID, 0, len(cmd.Members))
	seen := map[ID]bool{cmd.Actor: true}
	for _, id := range cmd.Members {
		if !seen[id] {
			seen[id] = true
			others = append(others, id)
		}
	}
	return others
}

// Check applies the rules that need no state, so that a caller can refuse before
// it looks up users.
func (cmd CreateConversation) Check() error {
	others := cmd.Others()
	switch cmd.Kind {
	case Direct:
		switch {
		case len(others) == 0:
			return ErrDirectWithSelf
		case len(others) > 1:
			return ErrDirectNeedsOne
		case cmd.Name != "":
			return ErrNameOnDirect
		}
	case Group:
		if len(others) >= MaxFirstMembers {
			return ErrTooManyMembers
		}
		_, err := cleanName(cmd.Name)
		return err
	default:
		return ErrConversationKind
	}
	return nil
}

// Create decides CreateConversation. An existing conversation yields no events:
// two users who create their direct conversation at the same time get the same one.
func (c *Conversation) Create(cmd CreateConversation) ([]Event, error) {
	if err := cmd.Check(); err != nil {
		return nil, err
	}
	if c.Kind != "" {
		return nil, nil
	}
	if cmd.Kind == Direct && cmd.Blocked {
		return nil, ErrBlocked
	}
	created := ConversationCreated{Kind: cmd.Kind}
	creator := RoleMember
	if cmd.Kind == Group {
		created.Name, _ = cleanName(cmd.Name) // Check has seen it
		creator = RoleOwner
	}
	events := []Event{created, MemberAdded{UserID: cmd.Actor, Role: creator}}
	for _, id := range cmd.Others() {
		events = append(events, MemberAdded{UserID: id, Role: RoleMember})
	}
	return events, nil
}

// RenameConversation asks for another name or topic of a group; nil keeps it.
type RenameConversation struct {
	Actor ID
	Name  *string
	Topic *string
}

// Rename decides RenameConversation.
func (c *Conversation) Rename(cmd RenameConversation) ([]Event, error) {
	role, err := c.roleInGroup(cmd.Actor)
	if err != nil {
		return nil, err
	}
	if role < RoleAdmin {
		return nil, ErrForbidden
	}
	var renamed ConversationRenamed
	if cmd.Name != nil {
		name, err := cleanName(*cmd.Name)
		if err != nil {
			return nil, err
		}
		renamed.Name = changed(name, c.Name)
	}
	if cmd.Topic != nil {
		topic, err := cleanText(*cmd.Topic, maxTopic, ErrTopicInvalid)
		if err != nil {
			return nil, err
		}
		renamed.Topic = changed(topic, c.Topic)
	}
	if renamed == (ConversationRenamed{}) {
		return nil, nil
	}
	return []Event{renamed}, nil
}

// changed returns a pointer to the wanted value, or nil if it equals the present one.
func changed(wanted, now string) *string {
	if wanted == now {
		return nil
	}
	return &wanted
}

// roleOf returns the actor's role, or the error for an outsider.
func (c *Conversation) roleOf(actor ID) (Role, error) {
	role := c.Members[actor].Role
	if role == NoRole || c.Erased[actor] {
		return NoRole, ErrConversationNotFound
	}
	return role, nil
}

// roleInGroup returns the actor's role for commands that only groups allow.
func (c *Conversation) roleInGroup(actor ID) (Role, error) {
	role, err := c.roleOf(actor)
	if err == nil && c.Kind == Direct {
		err = ErrDirectIsFixed
	}
	return role, err
}

// writer returns the role of an actor who may write messages. blocked says that
// one member of a direct conversation has blocked the other.
func (c *Conversation) writer(actor ID, blocked bool) (Role, error) {
	role, err := c.roleOf(actor)
	switch {
	case err != nil:
		return NoRole, err
	case role < RoleMember:
		return NoRole, ErrForbidden
	case c.Kind == Direct && len(c.Erased) > 0:
		return NoRole, ErrUserErased
	case c.Kind == Direct && blocked:
		return NoRole, ErrBlocked
	}
	return role, nil
}
