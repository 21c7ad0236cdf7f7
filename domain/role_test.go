package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// nobody is above every role.
const nobody = domain.RoleOwner + 1

// staff is a group with two of each role: the actors, and others for them to
// act on.
func staff() []domain.Event {
	return group(
		added(bob, domain.RoleAdmin), added(cat, domain.RoleMember), added(dan, domain.RoleReader),
		added(person("other owner"), domain.RoleOwner), added(person("other admin"), domain.RoleAdmin),
		added(person("other member"), domain.RoleMember), added(person("other reader"), domain.RoleReader),
	)
}

// permissions is the contract's table of who may do what in a group: the least
// role that may.
var permissions = []struct {
	what  string
	least domain.Role
	by    func(actor domain.ID) decision
}{
	{"read", domain.RoleReader, func(actor domain.ID) decision { return read(actor, 1, 1) }},
	{"leave", domain.RoleReader, func(actor domain.ID) decision { return removeMember(actor, actor) }},

	{"send", domain.RoleMember, func(actor domain.ID) decision { return send(domain.SendMessage{Actor: actor, Body: "hello"}) }},
	{"react", domain.RoleMember, func(actor domain.ID) decision { return reacts(actor, eve, true) }},
	{"take a reaction back", domain.RoleMember, func(actor domain.ID) decision { return reacts(actor, eve, false) }},
	{"edit one's own", domain.RoleMember, func(actor domain.ID) decision { return edits(actor, actor) }},
	{"delete one's own", domain.RoleMember, func(actor domain.ID) decision { return remove(actor, messageOf(actor)) }},

	{"delete another's", domain.RoleAdmin, func(actor domain.ID) decision { return remove(actor, messageOf(eve)) }},
	{"pin", domain.RoleAdmin, func(actor domain.ID) decision { return pins(actor, true) }},
	{"unpin", domain.RoleAdmin, func(actor domain.ID) decision { return pins(actor, false) }},
	{"rename", domain.RoleAdmin, func(actor domain.ID) decision { return rename(actor, new("staff"), new("plans")) }},
	{"add a reader", domain.RoleAdmin, func(actor domain.ID) decision { return addMember(actor, eve, domain.RoleReader) }},
	{"add a member", domain.RoleAdmin, func(actor domain.ID) decision { return addMember(actor, eve, domain.RoleMember) }},
	{"remove a reader", domain.RoleAdmin, func(actor domain.ID) decision { return removeMember(actor, person("other reader")) }},
	{"remove a member", domain.RoleAdmin, func(actor domain.ID) decision { return removeMember(actor, person("other member")) }},
	{"make a reader a member", domain.RoleAdmin, onOther("reader", domain.RoleMember)},
	{"make a member a reader", domain.RoleAdmin, onOther("member", domain.RoleReader)},

	{"add an admin", domain.RoleOwner, func(actor domain.ID) decision { return addMember(actor, eve, domain.RoleAdmin) }},
	{"add an owner", domain.RoleOwner, func(actor domain.ID) decision { return addMember(actor, eve, domain.RoleOwner) }},
	{"remove an admin", domain.RoleOwner, func(actor domain.ID) decision { return removeMember(actor, person("other admin")) }},
	{"make a reader an admin", domain.RoleOwner, onOther("reader", domain.RoleAdmin)},
	{"make a member an admin", domain.RoleOwner, onOther("member", domain.RoleAdmin)},
	{"make an admin a member", domain.RoleOwner, onOther("admin", domain.RoleMember)},
	{"hand ownership to an admin", domain.RoleOwner, onOther("admin", domain.RoleOwner)},
	{"hand ownership to a reader", domain.RoleOwner, onOther("reader", domain.RoleOwner)},

	{"edit another's", nobody, func(actor domain.ID) decision { return edits(actor, eve) }},
	{"remove an owner", nobody, func(actor domain.ID) decision { return removeMember(actor, person("other owner")) }},
	{"make an owner an admin", nobody, onOther("owner", domain.RoleAdmin)},
}

// onOther gives the other one of this role another role.
func onOther(who string, role domain.Role) func(domain.ID) decision {
	return func(actor domain.ID) decision { return changeRole(actor, person("other "+who), role) }
}

// edits has the actor edit a message of the author.
func edits(actor, author domain.ID) decision {
	return edit(domain.EditMessage{Actor: actor, Message: messageOf(author), Body: "other"})
}

// pins has the actor pin a message that is not pinned, or unpin one that is.
func pins(actor domain.ID, on bool) decision {
	m := messageOf(eve)
	m.Pinned = !on
	return pin(domain.PinMessage{Actor: actor, Message: m, Pinned: on})
}

// reacts has the actor add or remove their reaction on a message of the author.
func reacts(actor, author domain.ID, on bool) decision {
	return react(domain.React{Actor: actor, Message: messageOf(author), Emoji: "👍", On: on, Is: !on})
}

func TestPermissionsInAGroup(t *testing.T) {
	actors := map[domain.Role]domain.ID{domain.RoleReader: dan, domain.RoleMember: cat, domain.RoleAdmin: bob, domain.RoleOwner: ann}
	for _, p := range permissions {
		for role, actor := range actors {
			t.Run(role.String()+"/"+p.what, func(t *testing.T) {
				s := given(staff()...).when(p.by(actor))
				if role < p.least {
					s.refused(t, domain.ErrForbidden)
					return
				}
				events, err := s.decide(s.state)
				require.NoError(t, err)
				require.NotEmpty(t, events)
			})
		}
		t.Run("someone outside/"+p.what, func(t *testing.T) {
			given(staff()...).when(p.by(eve)).refused(t, domain.ErrConversationNotFound)
		})
		t.Run("someone erased/"+p.what, func(t *testing.T) {
			given(append(staff(), removed(cat), erased(cat))...).when(p.by(cat)).refused(t, domain.ErrConversationNotFound)
		})
		t.Run("where nothing is/"+p.what, func(t *testing.T) {
			given().when(p.by(ann)).refused(t, domain.ErrConversationNotFound)
		})
	}
}

// TestPermissionsInADirectConversation: both members may do what members may, and
// pin; nobody changes its members, roles or name.
func TestPermissionsInADirectConversation(t *testing.T) {
	forEither := func(t *testing.T, check func(t *testing.T, actor, other domain.ID)) {
		t.Run("the first", func(t *testing.T) { check(t, ann, bob) })
		t.Run("the second", func(t *testing.T) { check(t, bob, ann) })
	}
	t.Run("allows", func(t *testing.T) {
		forEither(t, func(t *testing.T, actor, other domain.ID) {
			for what, d := range map[string]decision{
				"read": read(actor, 1, 1), "send": send(domain.SendMessage{Actor: actor, Body: "hello"}),
				"pin": pins(actor, true), "unpin": pins(actor, false),
				"react": reacts(actor, other, true), "take a reaction back": reacts(actor, other, false),
				"edit one's own": edits(actor, actor), "delete one's own": remove(actor, messageOf(actor)),
			} {
				events, err := d(fold(direct()))
				require.NoError(t, err, what)
				require.Len(t, events, 1, what)
			}
		})
	})
	t.Run("forbids what is the other's", func(t *testing.T) {
		forEither(t, func(t *testing.T, actor, other domain.ID) {
			given(direct()...).when(edits(actor, other)).refused(t, domain.ErrForbidden)
			given(direct()...).when(remove(actor, messageOf(other))).refused(t, domain.ErrForbidden)
		})
	})
	t.Run("is fixed", func(t *testing.T) {
		forEither(t, func(t *testing.T, actor, other domain.ID) {
			for _, d := range []decision{
				addMember(actor, cat, domain.RoleMember), addMember(actor, other, domain.RoleMember),
				removeMember(actor, other), removeMember(actor, actor), removeMember(actor, cat),
				changeRole(actor, other, domain.RoleReader), changeRole(actor, actor, domain.RoleReader),
				changeRole(actor, other, domain.RoleMember), rename(actor, new("us"), nil), rename(actor, nil, nil),
			} {
				given(direct()...).when(d).refused(t, domain.ErrDirectIsFixed)
			}
		})
	})
}

// writes are the decisions that say something to the others.
func writes(actor domain.ID, blocked bool) map[string]decision {
	m, p := messageOf(actor), pinned(messageOf(actor))
	return map[string]decision{
		"send":   send(domain.SendMessage{Actor: actor, Body: "hello", Blocked: blocked}),
		"edit":   edit(domain.EditMessage{Actor: actor, Message: m, Body: "other", Blocked: blocked}),
		"pin":    pin(domain.PinMessage{Actor: actor, Message: m, Pinned: true, Blocked: blocked}),
		"unpin":  pin(domain.PinMessage{Actor: actor, Message: p, Blocked: blocked}),
		"react":  react(domain.React{Actor: actor, Message: m, Emoji: "👍", On: true, Blocked: blocked}),
		"remove": react(domain.React{Actor: actor, Message: m, Emoji: "👍", Is: true, Blocked: blocked}),
	}
}

func TestBlockedConversation(t *testing.T) {
	for what, d := range writes(ann, true) {
		t.Run("refuses to "+what+" in a direct conversation", func(t *testing.T) {
			given(direct()...).when(d).refused(t, domain.ErrBlocked)
		})
		t.Run("does not matter in a group to "+what, func(t *testing.T) {
			events, err := d(fold(group(added(bob, domain.RoleMember))))
			require.NoError(t, err)
			require.Len(t, events, 1)
		})
	}
	for what, d := range writes(cat, true) {
		t.Run("tells nothing of it to someone outside who wants to "+what, func(t *testing.T) {
			given(direct()...).when(d).refused(t, domain.ErrConversationNotFound)
		})
	}
}

func TestErasedPerson(t *testing.T) {
	gone := append(direct(), erased(bob))
	for what, d := range writes(ann, true) {
		t.Run("leaves nobody to "+what+" for in a direct conversation", func(t *testing.T) {
			given(gone...).when(d).refused(t, domain.ErrUserErased)
		})
	}
	for what, d := range writes(bob, false) {
		t.Run("refuses "+what, func(t *testing.T) { given(gone...).when(d).refused(t, domain.ErrConversationNotFound) })
	}
	t.Run("lets the other member delete their own messages", func(t *testing.T) {
		given(gone...).when(remove(ann, messageOf(ann))).then(t, domain.MessageDeleted{MessageRef: messageOf(ann).MessageRef})
	})
	t.Run("leaves a group to the others", func(t *testing.T) {
		for what, d := range writes(ann, false) {
			events, err := d(fold(group(added(bob, domain.RoleMember), removed(bob), erased(bob))))
			require.NoError(t, err, what)
			require.Len(t, events, 1, what)
		}
	})
}
