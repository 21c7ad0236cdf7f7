package domain

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The greatest lengths of what people write, in characters.
const (
	MaxBody   = 4000
	maxName   = 100
	maxTopic  = 500
	maxBio    = 500
	maxAvatar = 2000
	maxHandle = 32
	minHandle = 2
)

// checkBody holds the contract's rule for bodies. What passes is stored byte
// for byte: trimming only counts.
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

// cleanText returns a text of at most so many characters, trimmed; it may be
// empty.
func cleanText(text string, most int, otherwise error) (string, error) {
	text = strings.TrimFunc(text, unicode.IsSpace)
	if !storable(text) || utf8.RuneCountInString(text) > most {
		return "", otherwise
	}
	return text, nil
}

// storable reports whether a text is Unicode that a database can keep.
func storable(text string) bool {
	return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// checkAvatar accepts the address of a picture, which clients fetch: https
// only, without a user's credentials. An empty one is none.
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

// checkEmoji accepts one emoji, which may consist of many characters (skin
// tones, families, flags), as far as that can be told without a table that
// would be out of date: no letters, no space, something to see beyond ASCII.
func checkEmoji(emoji string) error {
	const most = 64 // bytes; the longest emoji of Unicode 16 has 35
	if !utf8.ValidString(emoji) || len(emoji) > most {
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

// neverInEmoji reports whether no emoji has this character. Of the invisible
// ones they have the joiner of families and the tags of flags; the others turn
// or hide text.
func neverInEmoji(r rune) bool {
	const letterEmoji, joiner, firstTag, lastTag = 'ℹ', '\u200d', '\U000e0020', '\U000e007f'
	if unicode.Is(unicode.Cf, r) {
		return r != joiner && (r < firstTag || r > lastTag)
	}
	return (unicode.IsLetter(r) && r != letterEmoji) || unicode.IsSpace(r) || unicode.IsControl(r)
}
