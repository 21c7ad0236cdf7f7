package domain_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func TestRegisterUser(t *testing.T) {
	t.Run("trims the name", func(t *testing.T) {
		givenUser().when(register(" Ada ")).then(t, domain.UserRegistered{DisplayName: "Ada"})
	})
	t.Run("does not change a registered user", func(t *testing.T) {
		givenUser(registered()...).when(register("Bea")).then(t)
		require.Equal(t, "Ann", foldUser(registered()).DisplayName)
	})
	t.Run("leaves who was erased gone", func(t *testing.T) {
		givenUser(registered(domain.UserErased{})...).when(register("Ann")).then(t)
	})
	t.Run("refuses a name that is none", func(t *testing.T) {
		for _, name := range badNames {
			require.ErrorIs(t, domain.RegisterUser{DisplayName: name}.Check(), domain.ErrNameInvalid)
			givenUser().when(register(name)).refused(t, domain.ErrNameInvalid)
		}
	})
}

// badNames are display names that nobody has.
var badNames = []string{"", "  ", "a\nb", "a\u0085b", "a\x00b", "a\xff", strings.Repeat("ß", 101)}

func TestChangeProfile(t *testing.T) {
	full := domain.ProfileChanged{
		DisplayName: new("Ada"), Handle: new("ada"), Bio: new("counts\nengines"), AvatarURL: new("https://cdn.example/ada.png"),
	}
	t.Run("cleans what is given", func(t *testing.T) {
		givenUser(registered()...).when(changeProfile(domain.ChangeProfile{
			DisplayName: new(" Ada "), Handle: new("@Ada"), Bio: new(" counts\nengines\n"), AvatarURL: new("https://cdn.example/ada.png"),
		})).then(t, full)
	})
	t.Run("says only what is new", func(t *testing.T) {
		givenUser(registered(full)...).when(changeProfile(domain.ChangeProfile{DisplayName: new("Ada"), Handle: new("countess")})).
			then(t, domain.ProfileChanged{Handle: new("countess")})
	})
	t.Run("leaves what is absent", func(t *testing.T) {
		u := foldUser(registered(full, domain.ProfileChanged{Handle: new("countess")}))
		require.Equal(t, domain.Profile{
			DisplayName: "Ada", Handle: "countess", Bio: "counts\nengines", AvatarURL: "https://cdn.example/ada.png",
		}, u.Profile)
	})
	t.Run("takes away all but the name", func(t *testing.T) {
		givenUser(registered(full)...).when(changeProfile(domain.ChangeProfile{Handle: new(""), Bio: new(" "), AvatarURL: new("")})).
			then(t, domain.ProfileChanged{Handle: new(""), Bio: new(""), AvatarURL: new("")})
	})
	t.Run("yields nothing when it is so already", func(t *testing.T) {
		givenUser(registered(full)...).when(changeProfile(domain.ChangeProfile{})).then(t)
		givenUser(registered(full)...).when(changeProfile(domain.ChangeProfile{Handle: new("ADA"), Bio: new("counts\nengines ")})).then(t)
	})
	t.Run("takes texts of their greatest length", func(t *testing.T) {
		longest := domain.ProfileChanged{
			DisplayName: new(strings.Repeat("ß", 100)), Handle: new(strings.Repeat("a", 32)), Bio: new(strings.Repeat("ß", 500)),
			AvatarURL: new("https://x.example/" + strings.Repeat("a", 2000-len("https://x.example/"))),
		}
		givenUser(registered()...).when(changeProfile(domain.ChangeProfile(longest))).then(t, longest)
	})
	t.Run("refuses a name that is none", func(t *testing.T) {
		for _, name := range badNames {
			givenUser(registered()...).when(changeProfile(domain.ChangeProfile{DisplayName: &name})).refused(t, domain.ErrNameInvalid)
		}
	})
	t.Run("refuses a handle that is none", func(t *testing.T) {
		for _, handle := range []string{"a", "@", " ", "_ann", "an n", "änn", strings.Repeat("a", 33)} {
			givenUser(registered()...).when(changeProfile(domain.ChangeProfile{Handle: &handle})).refused(t, domain.ErrHandleInvalid)
		}
	})
	t.Run("refuses a bio that is none", func(t *testing.T) {
		for _, bio := range []string{"a\x00b", "a\xff", strings.Repeat("ß", 501)} {
			givenUser(registered()...).when(changeProfile(domain.ChangeProfile{Bio: &bio})).refused(t, domain.ErrBioInvalid)
		}
	})
	t.Run("names the first refusal and changes nothing", func(t *testing.T) {
		cmd := domain.ChangeProfile{DisplayName: new("Ada"), Handle: new("a"), Bio: new("\x00"), AvatarURL: new("x")}
		givenUser(registered()...).when(changeProfile(cmd)).refused(t, domain.ErrHandleInvalid)
		_, err := cmd.Clean()
		require.ErrorIs(t, err, domain.ErrHandleInvalid)
	})
	t.Run("does not write into the command", func(t *testing.T) {
		cmd := domain.ChangeProfile{DisplayName: new(" Ada ")}
		givenUser(registered()...).when(changeProfile(cmd)).then(t, domain.ProfileChanged{DisplayName: new("Ada")})
		require.Equal(t, " Ada ", *cmd.DisplayName)
	})
	t.Run("refuses who is no user, or not any more", func(t *testing.T) {
		givenUser().when(changeProfile(domain.ChangeProfile(full))).refused(t, domain.ErrUserNotFound)
		givenUser(registered(domain.UserErased{})...).when(changeProfile(domain.ChangeProfile(full))).refused(t, domain.ErrUserNotFound)
	})
}

func TestBlockUser(t *testing.T) {
	blocked := func(id domain.ID) domain.Event { return domain.UserBlocked{UserID: id} }
	unblocked := func(id domain.ID) domain.Event { return domain.UserUnblocked{UserID: id} }
	crowd := registered()
	for i := range uint32(1000) {
		var id domain.ID
		binary.BigEndian.PutUint32(id[:], i+1)
		crowd = append(crowd, blocked(id))
	}
	t.Run("blocks and unblocks", func(t *testing.T) {
		givenUser(registered()...).when(block(bob, true)).then(t, blocked(bob))
		givenUser(registered(blocked(bob))...).when(block(bob, false)).then(t, unblocked(bob))
		givenUser(registered(blocked(bob), unblocked(bob))...).when(block(bob, true)).then(t, blocked(bob))
	})
	t.Run("yields nothing when it is so already", func(t *testing.T) {
		givenUser(registered(blocked(bob))...).when(block(bob, true)).then(t)
		givenUser(registered()...).when(block(bob, false)).then(t)
		givenUser(registered(blocked(bob), unblocked(bob))...).when(block(bob, false)).then(t)
	})
	t.Run("keeps the others", func(t *testing.T) {
		u := foldUser(registered(blocked(bob), blocked(cat), unblocked(bob)))
		require.Equal(t, map[domain.ID]bool{cat: true}, u.Blocked)
	})
	t.Run("refuses oneself", func(t *testing.T) {
		givenUser(registered()...).when(block(ann, true)).refused(t, domain.ErrBlockSelf)
		givenUser(registered()...).when(block(ann, false)).refused(t, domain.ErrBlockSelf)
	})
	t.Run("refuses the 1,001st", func(t *testing.T) {
		givenUser(crowd[:len(crowd)-1]...).when(block(bob, true)).then(t, blocked(bob))
		givenUser(crowd...).when(block(bob, true)).refused(t, domain.ErrTooManyBlocked)
	})
	t.Run("unblocks and repeats when there are 1,000", func(t *testing.T) {
		first := domain.ID{3: 1}
		givenUser(crowd...).when(block(first, true)).then(t)
		givenUser(crowd...).when(block(first, false)).then(t, unblocked(first))
		givenUser(append(crowd, unblocked(first))...).when(block(bob, true)).then(t, blocked(bob))
	})
	t.Run("refuses who is no user, or not any more", func(t *testing.T) {
		for _, on := range []bool{true, false} {
			givenUser().when(block(bob, on)).refused(t, domain.ErrUserNotFound)
			givenUser(registered(domain.UserErased{})...).when(block(bob, on)).refused(t, domain.ErrUserNotFound)
			givenUser(registered(domain.UserErased{})...).when(block(ann, on)).refused(t, domain.ErrUserNotFound)
		}
	})
}

func TestEraseUser(t *testing.T) {
	t.Run("erases a user", func(t *testing.T) {
		givenUser(registered()...).when((*domain.User).Erase).then(t, domain.UserErased{})
	})
	t.Run("is done once", func(t *testing.T) {
		givenUser(registered(domain.UserErased{})...).when((*domain.User).Erase).then(t)
	})
	t.Run("yields nothing where nobody is", func(t *testing.T) {
		givenUser().when((*domain.User).Erase).then(t)
	})
	t.Run("keeps nothing of the person, whether redacted or not", func(t *testing.T) {
		history := registered(
			domain.ProfileChanged{DisplayName: new("Ada"), Handle: new("ada"), Bio: new("x"), AvatarURL: new("https://x.example")},
			domain.UserBlocked{UserID: bob}, domain.UserErased{},
		)
		u := foldUser(history)
		require.Equal(t, &domain.User{Registered: true, Erased: true, Blocked: map[domain.ID]bool{}}, u)
		for i := range history {
			history[i], _ = domain.Redact(history[i])
		}
		require.Equal(t, u, foldUser(history))
	})
}
