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
	t.Run("direct has one other member, whether or not the actor is listed", func(t *testing.T) {
		given().when(create(directWith(ann, bob, bob))).then(t, direct()...)
	})
	t.Run("group makes its creator owner and the others members, in order", func(t *testing.T) {
		given().when(create(groupOf("  crew ", cat, bob, ann, cat))).then(t, group(added(cat, domain.RoleMember), added(bob, domain.RoleMember))...)
	})
	t.Run("an existing direct is unchanged, even after a block", func(t *testing.T) {
		blocked := directWith(bob)
		blocked.Blocked = true
		given(direct()...).when(create(blocked)).then(t)
	})
	t.Run("a group ignores blocks", func(t *testing.T) {
		blocked := groupOf("crew", bob)
		blocked.Blocked = true
		given().when(create(blocked)).then(t, group(added(bob, domain.RoleMember))...)
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
		"direct with one blocked": {domain.CreateConversation{Actor: ann, Kind: domain.Direct, Members: []domain.ID{bob}, Blocked: true}, domain.ErrBlocked},
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

func TestRenameConversation(t *testing.T) {
	crew := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember), added(dan, domain.RoleReader))
	t.Run("owner and admin rename, with the name trimmed", func(t *testing.T) {
		for _, who := range []domain.ID{ann, bob} {
			given(crew...).when(rename(who, new(" staff "), nil)).then(t, domain.ConversationRenamed{Name: new("staff")})
		}
	})
	t.Run("says only what is new", func(t *testing.T) {
		given(crew...).when(rename(ann, new("crew"), new(" plans\n"))).then(t, domain.ConversationRenamed{Topic: new("plans")})
	})
	t.Run("changes both at once", func(t *testing.T) {
		given(crew...).when(rename(ann, new("staff"), new("plans"))).
			then(t, domain.ConversationRenamed{Name: new("staff"), Topic: new("plans")})
	})
	t.Run("leaves what is absent", func(t *testing.T) {
		c := fold(append(crew, domain.ConversationRenamed{Topic: new("plans")}, domain.ConversationRenamed{Name: new("staff")}))
		require.Equal(t, "staff", c.Name)
		require.Equal(t, "plans", c.Topic)
	})
	t.Run("takes a topic away", func(t *testing.T) {
		given(append(crew, domain.ConversationRenamed{Topic: new("plans")})...).when(rename(ann, nil, new(" "))).
			then(t, domain.ConversationRenamed{Topic: new("")})
	})
	t.Run("yields nothing when it is called so already", func(t *testing.T) {
		given(crew...).when(rename(ann, nil, nil)).then(t)
		given(crew...).when(rename(ann, new("crew "), new(""))).then(t)
		given(append(crew, domain.ConversationRenamed{Name: new("staff")})...).when(rename(ann, new("staff"), nil)).then(t)
	})
	t.Run("takes a topic of 500 characters in lines", func(t *testing.T) {
		topic := "ö\n" + strings.Repeat("ö", 498)
		given(crew...).when(rename(ann, nil, &topic)).then(t, domain.ConversationRenamed{Topic: &topic})
	})
	t.Run("refuses names that are none", func(t *testing.T) {
		for _, name := range []string{"", " \t", "a\nb", "a\x00b", "a\xffb", strings.Repeat("ß", 101)} {
			given(crew...).when(rename(ann, &name, nil)).refused(t, domain.ErrNameInvalid)
		}
	})
	t.Run("refuses topics that are none", func(t *testing.T) {
		for _, topic := range []string{"a\x00b", "a\xffb", strings.Repeat("ß", 501)} {
			given(crew...).when(rename(ann, nil, &topic)).refused(t, domain.ErrTopicInvalid)
		}
	})
	t.Run("changes nothing when one of both is refused", func(t *testing.T) {
		given(crew...).when(rename(ann, new("staff"), new("a\x00b"))).refused(t, domain.ErrTopicInvalid)
	})
	t.Run("refuses a member and a reader", func(t *testing.T) {
		given(crew...).when(rename(cat, new("staff"), nil)).refused(t, domain.ErrForbidden)
		given(crew...).when(rename(dan, new("staff"), nil)).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses in a direct conversation", func(t *testing.T) {
		given(direct()...).when(rename(ann, new("us"), nil)).refused(t, domain.ErrDirectIsFixed)
	})
	t.Run("refuses someone outside, and says nothing of the name", func(t *testing.T) {
		given(crew...).when(rename(eve, new(""), nil)).refused(t, domain.ErrConversationNotFound)
		given(direct()...).when(rename(eve, new("us"), nil)).refused(t, domain.ErrConversationNotFound)
		given().when(rename(ann, new("us"), nil)).refused(t, domain.ErrConversationNotFound)
	})
}
