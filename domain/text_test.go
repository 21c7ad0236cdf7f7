package domain_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// avatars are addresses that are accepted.
var avatars = []string{
	"https://cdn.example/a.png", "https://cdn.example:8443/a.png?size=64&v=2#face", "HTTPS://cdn.example/", "https://xn--bcher-kva.example/ä.png",
	"https://[2001:db8::1]/a.png", "https://cdn.example/a%20b.png",
}

// notAvatars are addresses that are refused.
var notAvatars = []string{
	"http://cdn.example/a.png", "javascript:alert(1)", "data:image/png;base64,AA==", "ftp://cdn.example/a.png", "//cdn.example/a.png",
	"/a.png", "a.png", "cdn.example/a.png", "https:", "https://", "https:///a.png", "https:cdn.example", "https://:443/a.png",
	"https://ann@cdn.example/a.png", "https://ann:secret@cdn.example/a.png", "https://@cdn.example/a.png", "https://cdn.example\\@evil.example/",
	" https://cdn.example/a.png", "https://cdn.example/a.png ", "https://cdn.example/a b.png", "https://cdn.example/a\u00a0b.png",
	"https://cdn.example/a\nb.png", "https://cdn.example/a\x00.png", "https://cdn.example/a\x7f.png", "https://cdn.example/a\u0085.png",
	"https://cdn.example/a\xff.png", "https://cdn.example/%zz", "java\nscript:alert(1)",
	"https://x.example/" + strings.Repeat("a", 2001-len("https://x.example/")),
}

func TestAvatarURL(t *testing.T) {
	for _, address := range avatars {
		givenUser(registered()...).when(changeProfile(domain.ChangeProfile{AvatarURL: &address})).then(t, domain.ProfileChanged{AvatarURL: &address})
	}
	for _, address := range notAvatars {
		t.Run(address, func(t *testing.T) {
			givenUser(registered()...).when(changeProfile(domain.ChangeProfile{AvatarURL: &address})).refused(t, domain.ErrAvatarInvalid)
		})
	}
}

// FuzzAvatarURL: what is accepted is fetched from a host over TLS, with nobody's
// password, and is stored as it was given.
func FuzzAvatarURL(f *testing.F) {
	for _, address := range append(avatars, notAvatars...) {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		events, err := foldUser(registered()).ChangeProfile(domain.ChangeProfile{AvatarURL: &address})
		if err != nil {
			require.ErrorIs(t, err, domain.ErrAvatarInvalid)
			return
		}
		if address == "" {
			require.Empty(t, events)
			return
		}
		require.Equal(t, []domain.Event{domain.ProfileChanged{AvatarURL: &address}}, events)
		require.LessOrEqual(t, len(address), 2000)
		require.True(t, utf8.ValidString(address))
		require.False(t, strings.ContainsFunc(address, unicode.IsSpace))
		require.False(t, strings.ContainsFunc(address, unicode.IsControl))
		require.True(t, strings.HasPrefix(strings.ToLower(address), "https://"))
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.NotEmpty(t, u.Hostname())
		require.Nil(t, u.User)
		authority, _, _ := strings.Cut(address[len("https://"):], "/")
		authority, _, _ = strings.Cut(authority, "?")
		authority, _, _ = strings.Cut(authority, "#")
		require.NotContains(t, authority, "@")
		require.NotContains(t, authority, `\`, "browsers end the host there")
	})
}
