package domain_test

import (
	"testing"

	"ping/domain"
)

func TestAddMember(t *testing.T) {
	staffed := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember))
	t.Run("owner adds any role", func(t *testing.T) {
		for _, role := range []domain.Role{domain.RoleReader, domain.RoleMember, domain.RoleAdmin, domain.RoleOwner} {
			given(staffed...).when(addMember(ann, dan, role)).then(t, added(dan, role))
		}
	})
	t.Run("admin adds those below", func(t *testing.T) {
		for _, role := range []domain.Role{domain.RoleReader, domain.RoleMember} {
			given(staffed...).when(addMember(bob, dan, role)).then(t, added(dan, role))
		}
	})
	t.Run("refuses an admin adding an equal or greater", func(t *testing.T) {
		for _, role := range []domain.Role{domain.RoleAdmin, domain.RoleOwner} {
			given(staffed...).when(addMember(bob, dan, role)).refused(t, domain.ErrForbidden)
		}
	})
	t.Run("refuses a member and a reader", func(t *testing.T) {
		given(staffed...).when(addMember(cat, dan, domain.RoleReader)).refused(t, domain.ErrForbidden)
		given(group(added(bob, domain.RoleReader))...).when(addMember(bob, dan, domain.RoleReader)).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses someone outside", func(t *testing.T) {
		given(staffed...).when(addMember(dan, dan, domain.RoleMember)).refused(t, domain.ErrConversationNotFound)
	})
	t.Run("refuses where nothing exists", func(t *testing.T) {
		given().when(addMember(ann, dan, domain.RoleMember)).refused(t, domain.ErrConversationNotFound)
	})
	t.Run("refuses an invalid role", func(t *testing.T) {
		given(staffed...).when(addMember(ann, dan, domain.NoRole)).refused(t, domain.ErrRoleInvalid)
		given(staffed...).when(addMember(ann, dan, domain.RoleOwner+1)).refused(t, domain.ErrRoleInvalid)
	})
	t.Run("does not change a member", func(t *testing.T) {
		given(staffed...).when(addMember(ann, cat, domain.RoleAdmin)).then(t)
	})
	t.Run("adds a former member", func(t *testing.T) {
		given(append(staffed, removed(cat))...).when(addMember(ann, cat, domain.RoleReader)).then(t, added(cat, domain.RoleReader))
	})
	t.Run("refuses who was erased", func(t *testing.T) {
		given(append(staffed, removed(cat), erased(cat))...).when(addMember(ann, cat, domain.RoleMember)).refused(t, domain.ErrUserNotFound)
	})
	t.Run("refuses in a direct conversation", func(t *testing.T) {
		given(direct()...).when(addMember(ann, cat, domain.RoleMember)).refused(t, domain.ErrDirectIsFixed)
	})
}

func TestRemoveMember(t *testing.T) {
	staffed := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember), added(dan, domain.RoleAdmin))
	owner := func(id domain.ID) domain.Event { return roleChanged(id, domain.RoleOwner) }

	t.Run("owner removes anyone below", func(t *testing.T) {
		given(staffed...).when(removeMember(ann, bob)).then(t, removed(bob))
	})
	t.Run("admin removes a member", func(t *testing.T) {
		given(staffed...).when(removeMember(bob, cat)).then(t, removed(cat))
	})
	t.Run("refuses an admin removing an equal or greater", func(t *testing.T) {
		given(staffed...).when(removeMember(bob, dan)).refused(t, domain.ErrForbidden)
		given(staffed...).when(removeMember(bob, ann)).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses a member removing another", func(t *testing.T) {
		given(group(added(bob, domain.RoleMember), added(cat, domain.RoleReader))...).when(removeMember(bob, cat)).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses someone outside", func(t *testing.T) {
		given(group()...).when(removeMember(bob, ann)).refused(t, domain.ErrConversationNotFound)
	})
	t.Run("anyone leaves", func(t *testing.T) {
		given(staffed...).when(removeMember(cat, cat)).then(t, removed(cat))
	})
	t.Run("leaves it when there is no such member", func(t *testing.T) {
		given(group()...).when(removeMember(ann, cat)).then(t)
	})
	t.Run("refuses in a direct conversation", func(t *testing.T) {
		given(direct()...).when(removeMember(ann, ann)).refused(t, domain.ErrDirectIsFixed)
	})
	t.Run("the oldest admin succeeds the last owner, before they leave", func(t *testing.T) {
		given(staffed...).when(removeMember(ann, ann)).then(t, owner(bob), removed(ann))
	})
	t.Run("the oldest member succeeds if there is no admin", func(t *testing.T) {
		given(group(added(dan, domain.RoleReader), added(cat, domain.RoleMember), added(bob, domain.RoleMember))...).
			when(removeMember(ann, ann)).then(t, owner(cat), removed(ann))
	})
	t.Run("a reader succeeds if there is nobody else", func(t *testing.T) {
		given(group(added(dan, domain.RoleReader))...).when(removeMember(ann, ann)).then(t, owner(dan), removed(ann))
	})
	t.Run("a member who returned counts from their return", func(t *testing.T) {
		given(append(staffed, removed(bob), added(bob, domain.RoleAdmin))...).when(removeMember(ann, ann)).then(t, owner(dan), removed(ann))
	})
	t.Run("a change of role keeps the seniority", func(t *testing.T) {
		given(append(staffed, roleChanged(bob, domain.RoleMember), roleChanged(cat, domain.RoleAdmin))...).
			when(removeMember(ann, ann)).then(t, owner(cat), removed(ann))
	})
	t.Run("nobody succeeds while another owner stays", func(t *testing.T) {
		given(group(added(bob, domain.RoleAdmin), added(cat, domain.RoleOwner))...).when(removeMember(ann, ann)).then(t, removed(ann))
	})
	t.Run("the last member leaves the group empty", func(t *testing.T) {
		given(group()...).when(removeMember(ann, ann)).then(t, removed(ann))
	})
}

func TestChangeRole(t *testing.T) {
	staffed := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember), added(dan, domain.RoleReader), added(eve, domain.RoleAdmin))
	t.Run("owner makes an admin, a member and a reader of anyone", func(t *testing.T) {
		given(staffed...).when(changeRole(ann, cat, domain.RoleAdmin)).then(t, roleChanged(cat, domain.RoleAdmin))
		given(staffed...).when(changeRole(ann, bob, domain.RoleMember)).then(t, roleChanged(bob, domain.RoleMember))
		given(staffed...).when(changeRole(ann, bob, domain.RoleReader)).then(t, roleChanged(bob, domain.RoleReader))
	})
	t.Run("an owner transfers ownership and becomes an admin", func(t *testing.T) {
		for _, heir := range []domain.ID{bob, cat, dan} {
			given(staffed...).when(changeRole(ann, heir, domain.RoleOwner)).
				then(t, roleChanged(heir, domain.RoleOwner), roleChanged(ann, domain.RoleAdmin))
		}
	})
	t.Run("a former owner cannot transfer ownership", func(t *testing.T) {
		handedOver := append(staffed, roleChanged(bob, domain.RoleOwner), roleChanged(ann, domain.RoleAdmin))
		given(handedOver...).when(changeRole(ann, bob, domain.RoleOwner)).then(t)
		given(handedOver...).when(changeRole(ann, cat, domain.RoleOwner)).refused(t, domain.ErrForbidden)
		given(handedOver...).when(changeRole(ann, ann, domain.RoleOwner)).refused(t, domain.ErrForbidden)
	})
	t.Run("an admin assigns roles below their own to members below them", func(t *testing.T) {
		given(staffed...).when(changeRole(bob, cat, domain.RoleReader)).then(t, roleChanged(cat, domain.RoleReader))
		given(staffed...).when(changeRole(bob, dan, domain.RoleMember)).then(t, roleChanged(dan, domain.RoleMember))
	})
	t.Run("refuses an admin making an admin or an owner", func(t *testing.T) {
		given(staffed...).when(changeRole(bob, cat, domain.RoleAdmin)).refused(t, domain.ErrForbidden)
		given(staffed...).when(changeRole(bob, cat, domain.RoleOwner)).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses an admin changing an equal or greater", func(t *testing.T) {
		given(staffed...).when(changeRole(bob, eve, domain.RoleMember)).refused(t, domain.ErrForbidden)
		given(staffed...).when(changeRole(bob, ann, domain.RoleMember)).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses an owner changing another owner", func(t *testing.T) {
		given(group(added(bob, domain.RoleOwner))...).when(changeRole(ann, bob, domain.RoleMember)).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses a member and a reader changing another", func(t *testing.T) {
		given(staffed...).when(changeRole(cat, dan, domain.RoleMember)).refused(t, domain.ErrForbidden)
		given(staffed...).when(changeRole(dan, cat, domain.RoleReader)).refused(t, domain.ErrForbidden)
	})
	t.Run("tells a member and a reader only that they may not", func(t *testing.T) {
		given(staffed...).when(changeRole(cat, dan, domain.RoleReader)).refused(t, domain.ErrForbidden)
		given(staffed...).when(changeRole(cat, person("stranger"), domain.RoleReader)).refused(t, domain.ErrForbidden)
		given(staffed...).when(changeRole(dan, person("stranger"), domain.RoleReader)).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses raising oneself", func(t *testing.T) {
		given(staffed...).when(changeRole(bob, bob, domain.RoleOwner)).refused(t, domain.ErrForbidden)
		given(staffed...).when(changeRole(cat, cat, domain.RoleAdmin)).refused(t, domain.ErrForbidden)
		given(staffed...).when(changeRole(dan, dan, domain.RoleMember)).refused(t, domain.ErrForbidden)
	})
	t.Run("everyone steps down", func(t *testing.T) {
		given(staffed...).when(changeRole(bob, bob, domain.RoleMember)).then(t, roleChanged(bob, domain.RoleMember))
		given(staffed...).when(changeRole(cat, cat, domain.RoleReader)).then(t, roleChanged(cat, domain.RoleReader))
	})
	t.Run("an owner steps down where another one stays", func(t *testing.T) {
		given(group(added(bob, domain.RoleOwner))...).when(changeRole(ann, ann, domain.RoleReader)).then(t, roleChanged(ann, domain.RoleReader))
	})
	t.Run("refuses the last owner stepping down", func(t *testing.T) {
		given(staffed...).when(changeRole(ann, ann, domain.RoleAdmin)).refused(t, domain.ErrLastOwner)
		given(group()...).when(changeRole(ann, ann, domain.RoleMember)).refused(t, domain.ErrLastOwner)
	})
	t.Run("yields nothing for the role that one has", func(t *testing.T) {
		given(staffed...).when(changeRole(ann, cat, domain.RoleMember)).then(t)
		given(staffed...).when(changeRole(ann, ann, domain.RoleOwner)).then(t)
		given(staffed...).when(changeRole(dan, dan, domain.RoleReader)).then(t)
	})
	t.Run("refuses an invalid role", func(t *testing.T) {
		given(staffed...).when(changeRole(ann, cat, domain.NoRole)).refused(t, domain.ErrRoleInvalid)
		given(staffed...).when(changeRole(ann, cat, domain.RoleOwner+1)).refused(t, domain.ErrRoleInvalid)
	})
	t.Run("refuses one who is no member, has left or was erased", func(t *testing.T) {
		given(group()...).when(changeRole(ann, cat, domain.RoleMember)).refused(t, domain.ErrMemberNotFound)
		given(append(staffed, removed(cat))...).when(changeRole(ann, cat, domain.RoleOwner)).refused(t, domain.ErrMemberNotFound)
		given(append(staffed, removed(cat), erased(cat))...).when(changeRole(ann, cat, domain.RoleOwner)).refused(t, domain.ErrMemberNotFound)
	})
	t.Run("refuses someone outside", func(t *testing.T) {
		given(group()...).when(changeRole(bob, bob, domain.RoleOwner)).refused(t, domain.ErrConversationNotFound)
		given().when(changeRole(ann, ann, domain.RoleOwner)).refused(t, domain.ErrConversationNotFound)
	})
	t.Run("refuses in a direct conversation", func(t *testing.T) {
		given(direct()...).when(changeRole(ann, bob, domain.RoleReader)).refused(t, domain.ErrDirectIsFixed)
		given(direct()...).when(changeRole(ann, ann, domain.RoleOwner)).refused(t, domain.ErrDirectIsFixed)
	})
}

func TestEraseMember(t *testing.T) {
	staffed := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember))
	t.Run("removes a member from a group", func(t *testing.T) {
		given(staffed...).when(erase(cat)).then(t, removed(cat), erased(cat))
	})
	t.Run("gives the group of the last owner a new one, before they leave", func(t *testing.T) {
		given(staffed...).when(erase(ann)).then(t, roleChanged(bob, domain.RoleOwner), removed(ann), erased(ann))
	})
	t.Run("empties the group of the last member", func(t *testing.T) {
		given(group()...).when(erase(ann)).then(t, removed(ann), erased(ann))
	})
	t.Run("covers former members", func(t *testing.T) {
		given(append(staffed, removed(cat))...).when(erase(cat)).then(t, erased(cat))
	})
	t.Run("keeps the member of a direct conversation", func(t *testing.T) {
		given(direct()...).when(erase(bob)).then(t, erased(bob))
	})
	t.Run("erases both members of a direct conversation", func(t *testing.T) {
		given(append(direct(), erased(bob))...).when(erase(ann)).then(t, erased(ann))
	})
	t.Run("is done once", func(t *testing.T) {
		given(append(staffed, removed(cat), erased(cat))...).when(erase(cat)).then(t)
		given(append(direct(), erased(bob))...).when(erase(bob)).then(t)
	})
}
