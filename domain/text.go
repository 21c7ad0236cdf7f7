package domain

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The maximum lengths of texts, in characters.
const (
	MaxBody   = 4000
	maxName   = 100
	maxTopic  = 500
	maxBio    = 500
	maxAvatar = 2000
	maxHandle = 32
	minHandle = 2
)

// checkBody applies the contract's rule for bodies. A valid body is stored
// unchanged: trimming only affects its length.
func checkBody(body string) error {
	if !storable(body) {
		return ErrBodyInvalid
	}
	trimmed := strings.TrimFunc(body, unicode.IsSpace)
	if trimmed == "" {
		return ErrBodyEmpty
	}
	if utf8.RuneCountInString(trimmed) > MaxBody {
		return ErrBodyTooLong
	}
	return nil
}

// cleanName returns a name of one line, trimmed.
func cleanName(name string) (string, error) {
	name, err := cleanText(name, maxName, ErrNameInvalid)
	if err != nil || name == "" || strings.ContainsFunc(name, unicode.IsControl) {
		return "", ErrNameInvalid
	}
	return name, nil
}

// cleanText returns a trimmed text of limited length, which may be empty.
func cleanText(text string, maxBytes int, otherwise error) (string, error) {
	text = strings.TrimFunc(text, unicode.IsSpace)
	if !storable(text) || utf8.RuneCountInString(text) > maxBytes {
		return "", otherwise
	}
	return text, nil
}

// storable reports whether a text is valid Unicode that Postgres can store.
func storable(text string) bool {
	return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// checkAvatar accepts the address of a picture, which clients fetch: https only,
// without credentials. An empty address removes the picture.
func checkAvatar(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || !storable(address) ||
		len(address) > maxAvatar || strings.ContainsFunc(address, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return ErrAvatarInvalid
	}
	return nil
}

// checkEmoji accepts one emoji, which may consist of many characters (skin tones,
// families, flags). Without a table of emoji, which would be outdated, it checks
// that there are no letters or spaces, and a visible character beyond ASCII.
func checkEmoji(emoji string) error {
	const maxBytes = 64 // the longest emoji of Unicode 16 has 35
	if !utf8.ValidString(emoji) || len(emoji) > maxBytes {
		return ErrEmojiInvalid
	}
	seen := false
	for _, r := range emoji {
		if neverInEmoji(r) {
			return ErrEmojiInvalid
		}
		seen = seen || (r > unicode.MaxASCII && !unicode.In(r, unicode.Mn, unicode.Cf))
	}
	if !seen {
		return ErrEmojiInvalid
	}
	return nil
}

// neverInEmoji reports whether no emoji contains this character. Of the invisible
// characters, emoji contain the joiner of families and the tags of flags; others
// reverse or hide text.
func neverInEmoji(r rune) bool {
	const letterEmoji, joiner, firstTag, lastTag = 'ℹ', '\u200d', '\U000e0020', '\U000e007f'
	if unicode.Is(unicode.Cf, r) {
		return r != joiner && (r < firstTag || r > lastTag)
	}
	return (unicode.IsLetter(r) && r != letterEmoji) || unicode.IsSpace(r) || unicode.IsControl(r)
}
