package domain_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func TestReact(t *testing.T) {
	crew := group(added(bob, domain.RoleAdmin), added(cat, domain.RoleMember), added(dan, domain.RoleReader))
	m := messageOf(cat)
	add := func(actor domain.ID, m domain.Message, is bool) decision {
		return react(domain.React{Actor: actor, Message: m, Emoji: "👍", On: true, Is: is})
	}
	takeBack := func(actor domain.ID, m domain.Message, is bool) decision {
		return react(domain.React{Actor: actor, Message: m, Emoji: "👍", Is: is})
	}
	t.Run("members and those above react to anyone's", func(t *testing.T) {
		for _, who := range []domain.ID{ann, bob, cat} {
			given(crew...).when(add(who, m, false)).then(t, domain.ReactionAdded{MessageRef: m.MessageRef, Emoji: "👍"})
			given(crew...).when(takeBack(who, m, true)).then(t, domain.ReactionRemoved{MessageRef: m.MessageRef, Emoji: "👍"})
		}
	})
	t.Run("yields nothing when it is so already", func(t *testing.T) {
		given(crew...).when(add(cat, m, true)).then(t)
		given(crew...).when(takeBack(cat, m, false)).then(t)
	})
	t.Run("refuses a reader", func(t *testing.T) {
		given(crew...).when(add(dan, m, false)).refused(t, domain.ErrForbidden)
		given(crew...).when(takeBack(dan, m, true)).refused(t, domain.ErrForbidden)
	})
	t.Run("refuses what is no message here", func(t *testing.T) {
		given(crew...).when(add(cat, domain.Message{}, false)).refused(t, domain.ErrMessageNotFound)
		given(crew...).when(takeBack(cat, domain.Message{}, false)).refused(t, domain.ErrMessageNotFound)
	})
	t.Run("refuses a tombstone", func(t *testing.T) {
		given(crew...).when(add(cat, deleted(m), false)).refused(t, domain.ErrMessageDeleted)
		given(crew...).when(add(cat, deleted(m), true)).refused(t, domain.ErrMessageDeleted)
	})
	t.Run("yields nothing for taking a reaction off a tombstone: it has none any more", func(t *testing.T) {
		given(crew...).when(takeBack(cat, deleted(m), true)).then(t)
	})
	t.Run("refuses more than so many of one member", func(t *testing.T) {
		another := domain.React{Actor: cat, Message: m, Emoji: "👍", On: true, Mine: domain.MaxReactions}
		given(crew...).when(react(another)).refused(t, domain.ErrTooManyReactions)
		another.Is = true
		given(crew...).when(react(another)).then(t)
	})
	t.Run("refuses someone outside, and says nothing of the message or the emoji", func(t *testing.T) {
		given(crew...).when(add(eve, deleted(m), false)).refused(t, domain.ErrConversationNotFound)
		given(crew...).when(react(domain.React{Actor: eve, Emoji: "a", On: true})).refused(t, domain.ErrConversationNotFound)
	})
}

// emoji are real ones, of every way in which they are put together.
var emoji = map[string]string{
	"one character":            "👍",
	"a skin tone":              "👍🏽",
	"a family":                 "👨‍👩‍👧‍👦",
	"a kiss with two tones":    "👩🏾‍❤️‍💋‍👨🏻",
	"a flag of two letters":    "🇩🇪",
	"the rainbow flag":         "🏳️‍🌈",
	"the flag of England":      "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
	"a keycap":                 "1️⃣",
	"a keycap of a sign":       "#️⃣",
	"a keycap, unqualified":    "1⃣",
	"a heart as a picture":     "❤️",
	"a heart":                  "❤",
	"punctuation":              "‼️",
	"a dash":                   "〰️",
	"a sign of mathematics":    "↔️",
	"a trademark":              "™️",
	"a letter in a square":     "🅰️",
	"a letter in a circle":     "Ⓜ️",
	"an ideograph in a circle": "㊗️",
	"a letter of its own":      "ℹ️",
	"a family of nine":         strings.Repeat("👩\u200d", 8) + "👩🏽", // 64 bytes
	"one of no known version":  "\U0001fadf",
}

// notEmoji are texts that are none.
var notEmoji = map[string]string{
	"nothing":                  "",
	"a letter":                 "a",
	"an accented letter":       "é",
	"an ideograph":             "好",
	"a digit":                  "1",
	"a smiley":                 ":)",
	"a word in signs":          "*+1*",
	"two with a space":         "👍 👍",
	"one with a space after":   "👍 ",
	"one with a word":          "👍ok",
	"65 bytes":                 strings.Repeat("👍", 16) + "!",
	"many":                     strings.Repeat("👍", 17),
	"what is not UTF-8":        "👍\xff",
	"half of one":              "👍"[:2],
	"a NUL":                    "👍\x00",
	"a line break":             "👍\n",
	"another line break":       "👍\u2028",
	"a space that joins":       "👍\u00a0",
	"a space without width":    "👍\u200b",
	"a mark that turns text":   "👍\u202e",
	"a mark of the byte order": "\ufeff👍",
	"a joiner alone":           "\u200d",
	"a selector alone":         "\ufe0f",
	"a digit with a selector":  "1\ufe0f",
	"an accent alone":          "\u0301",
	"tags alone":               "\U000e0067\U000e007f",
}

func TestEmoji(t *testing.T) {
	m := messageOf(ann)
	for name, text := range emoji {
		t.Run("accepts "+name, func(t *testing.T) {
			given(group()...).when(react(domain.React{Actor: ann, Message: m, Emoji: text, On: true})).
				then(t, domain.ReactionAdded{MessageRef: m.MessageRef, Emoji: text})
		})
	}
	for name, text := range notEmoji {
		t.Run("refuses "+name, func(t *testing.T) {
			for _, on := range []bool{true, false} {
				given(group()...).when(react(domain.React{Actor: ann, Message: m, Emoji: text, On: on, Is: !on})).refused(t, domain.ErrEmojiInvalid)
			}
		})
	}
}

// FuzzReact: whatever is accepted is short, can be stored and read on one line,
// and shows something.
func FuzzReact(f *testing.F) {
	for _, texts := range []map[string]string{emoji, notEmoji} {
		for _, text := range texts {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		m := messageOf(ann)
		events, err := fold(group()).React(domain.React{Actor: ann, Message: m, Emoji: text, On: true})
		if err != nil {
			require.ErrorIs(t, err, domain.ErrEmojiInvalid)
			return
		}
		require.Equal(t, []domain.Event{domain.ReactionAdded{MessageRef: m.MessageRef, Emoji: text}}, events)
		require.LessOrEqual(t, len(text), 64)
		require.True(t, utf8.ValidString(text))
		require.False(t, strings.ContainsFunc(text, unicode.IsSpace))
		require.False(t, strings.ContainsFunc(text, unicode.IsControl))
		require.True(t, strings.ContainsFunc(text, func(r rune) bool {
			return r > unicode.MaxASCII && !unicode.In(r, unicode.Mn, unicode.Cf)
		}))
		decoded, err := domain.DecodeEvent("reaction.added", domain.Schema, encode(t, events[0]))
		require.NoError(t, err)
		require.Equal(t, events[0], decoded)
	})
}
