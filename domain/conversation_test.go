package domain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func TestCreateConversation(t *testing.T) {
	directWith := func(members ...domain.ID) domain.CreateConversation {
		return domain.CreateConversation{Actor: ann, Kind: domain.Direct, Members: members}
	}
	groupOf := func(name string, members ...domain.ID) domain.CreateConversation {
		return domain.CreateConversation{Actor: ann, Kind: domain.Group, Name: name, Members: members}
	}
	t.Run("direct makes two equal members", func(t *testing.T) {
		given().when(create(directWith(bob))).then(t, direct()...)
	})
	t.Run("direct that exists stays as it is", func(t *testing.T) {
		given(direct()...).when(create(directWith(bob))).then(t)
	})
	t.Run("direct names the other once, with or without oneself", func(t *testing.T) {
		given().when(create(directWith(ann, bob, bob))).then(t, direct()...)
	})
	t.Run("group makes its creator owner and the others members, in order", func(t *testing.T) {
		given().when(create(groupOf("  crew ", cat, bob, ann, cat))).then(t, group(added(cat, domain.RoleMember), added(bob, domain.RoleMember))...)
	})
	t.Run("group may begin with its creator alone", func(t *testing.T) {
		given().when(create(groupOf("crew"))).then(t, group()...)
	})

	crowd := make([]domain.ID, domain.MaxFirstMembers)
	for i := range crowd {
		crowd[i] = domain.ID{byte(i), byte(i >> 8), 1}
	}
	refusals := map[string]struct {
		cmd domain.CreateConversation
		err error
	}{
		"direct with oneself":     {directWith(ann), domain.ErrDirectWithSelf},
		"direct with nobody":      {directWith(), domain.ErrDirectWithSelf},
		"direct with two":         {directWith(bob, cat), domain.ErrDirectNeedsOne},
		"direct with a name":      {domain.CreateConversation{Actor: ann, Kind: domain.Direct, Members: []domain.ID{bob}, Name: "us"}, domain.ErrNameOnDirect},
		"group without a name":    {groupOf(" \t "), domain.ErrNameInvalid},
		"group with a long name":  {groupOf(strings.Repeat("ß", 101)), domain.ErrNameInvalid},
		"group name with a NUL":   {groupOf("a\x00b"), domain.ErrNameInvalid},
		"group name not in UTF-8": {groupOf("a\xffb"), domain.ErrNameInvalid},
		"unknown kind":            {domain.CreateConversation{Actor: ann, Kind: "channel"}, domain.ErrConversationKind},
		"group with too many":     {groupOf("crowd", crowd...), domain.ErrTooManyMembers},
	}
	for name, r := range refusals {
		t.Run("refuses "+name, func(t *testing.T) { given().when(create(r.cmd)).refused(t, r.err) })
	}
	t.Run("takes as many as allowed", func(t *testing.T) {
		events, err := domain.NewConversation().Create(groupOf("crowd", crowd[1:]...))
		require.NoError(t, err)
		require.Len(t, events, 1+domain.MaxFirstMembers)
	})
	t.Run("takes a name of 100 characters", func(t *testing.T) {
		events, err := domain.NewConversation().Create(groupOf(strings.Repeat("ß", 100)))
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("ß", 100), events[0].(domain.ConversationCreated).Name)
	})
}

func TestDirectID(t *testing.T) {
	require.Equal(t, domain.DirectID(ann, bob), domain.DirectID(bob, ann))
	require.NotEqual(t, domain.DirectID(ann, bob), domain.DirectID(ann, cat))
}

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
	t.Run("refuses a role that is none", func(t *testing.T) {
		given(staffed...).when(addMember(ann, dan, domain.NoRole)).refused(t, domain.ErrRoleInvalid)
		given(staffed...).when(addMember(ann, dan, domain.RoleOwner+1)).refused(t, domain.ErrRoleInvalid)
	})
	t.Run("leaves a member as he is", func(t *testing.T) {
		given(staffed...).when(addMember(ann, cat, domain.RoleAdmin)).then(t)
	})
	t.Run("takes back who was removed", func(t *testing.T) {
		given(append(staffed, removed(cat))...).when(addMember(ann, cat, domain.RoleReader)).then(t, added(cat, domain.RoleReader))
	})
	t.Run("refuses in a direct conversation", func(t *testing.T) {
		given(direct()...).when(addMember(ann, cat, domain.RoleMember)).refused(t, domain.ErrDirectIsFixed)
	})
}

func TestRemoveMember(t *testing.T) {
	staffed := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember), added(dan, domain.RoleAdmin))
	owner := func(id domain.ID) domain.Event { return domain.MemberRoleChanged{UserID: id, Role: domain.RoleOwner} }

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
	t.Run("oldest admin follows the last owner, before he goes", func(t *testing.T) {
		given(staffed...).when(removeMember(ann, ann)).then(t, owner(bob), removed(ann))
	})
	t.Run("oldest member follows where there is no admin", func(t *testing.T) {
		given(group(added(dan, domain.RoleReader), added(cat, domain.RoleMember), added(bob, domain.RoleMember))...).
			when(removeMember(ann, ann)).then(t, owner(cat), removed(ann))
	})
	t.Run("a reader follows where there is nobody else", func(t *testing.T) {
		given(group(added(dan, domain.RoleReader))...).when(removeMember(ann, ann)).then(t, owner(dan), removed(ann))
	})
	t.Run("who came back counts from then", func(t *testing.T) {
		given(append(staffed, removed(bob), added(bob, domain.RoleAdmin))...).when(removeMember(ann, ann)).then(t, owner(dan), removed(ann))
	})
	t.Run("a changed role keeps its age", func(t *testing.T) {
		given(append(staffed, domain.MemberRoleChanged{UserID: bob, Role: domain.RoleMember}, domain.MemberRoleChanged{UserID: cat, Role: domain.RoleAdmin})...).
			when(removeMember(ann, ann)).then(t, owner(cat), removed(ann))
	})
	t.Run("nobody follows while another owner stays", func(t *testing.T) {
		given(group(added(bob, domain.RoleAdmin), added(cat, domain.RoleOwner))...).when(removeMember(ann, ann)).then(t, removed(ann))
	})
	t.Run("the last one leaves an empty group", func(t *testing.T) {
		given(group()...).when(removeMember(ann, ann)).then(t, removed(ann))
	})
}
