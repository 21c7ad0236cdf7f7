package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func TestRedact(t *testing.T) {
	ref := messageOf(ann).MessageRef
	personal := map[string]struct{ whole, redacted domain.Event }{
		"the name":     {domain.UserRegistered{DisplayName: "Ann"}, domain.UserRegistered{}},
		"the profile":  {domain.ProfileChanged{DisplayName: new("Ann"), Handle: new("ann"), Bio: new("x"), AvatarURL: new("https://x.example")}, domain.ProfileChanged{}},
		"an edit":      {domain.MessageEdited{MessageRef: ref, Body: "hello"}, domain.MessageEdited{MessageRef: ref, Erased: true}},
		"a plain body": {domain.MessageSent{MessageID: ref.MessageID, Body: "hello"}, domain.MessageSent{MessageID: ref.MessageID, Erased: true}},
		"a body, not to whom it was": {
			domain.MessageSent{MessageID: ref.MessageID, Body: "hello", ReplyTo: bob, Mentions: []domain.ID{cat}},
			domain.MessageSent{MessageID: ref.MessageID, ReplyTo: bob, Mentions: []domain.ID{cat}, Erased: true},
		},
	}
	types := map[string]bool{}
	for name, p := range personal {
		types[p.whole.Type()] = true
		t.Run("takes "+name, func(t *testing.T) {
			redacted, is := domain.Redact(p.whole)
			require.True(t, is)
			require.Equal(t, p.redacted, redacted)
		})
	}
	for name, e := range examples() {
		if types[e.Type()] {
			continue
		}
		t.Run("leaves "+name, func(t *testing.T) {
			redacted, is := domain.Redact(e)
			require.False(t, is)
			require.Equal(t, e, redacted)
		})
	}
}

// FuzzRedact: of the text nothing stays, and what stays is an event of the same
// type that can be stored and read again.
func FuzzRedact(f *testing.F) {
	for _, e := range examples() {
		f.Add(e.Type(), encode(f, e))
	}
	f.Fuzz(func(t *testing.T, typ string, payload []byte) {
		e, err := domain.DecodeEvent(typ, domain.Schema, payload)
		if err != nil || roleless(e) {
			return
		}
		redacted, personal := domain.Redact(e)
		require.Equal(t, typ, redacted.Type())
		stored := encode(t, redacted)
		decoded, err := domain.DecodeEvent(typ, domain.Schema, stored)
		require.NoError(t, err)
		require.Equal(t, string(stored), string(encode(t, decoded)))
		again, still := domain.Redact(decoded)
		require.Equal(t, personal, still)
		require.Equal(t, string(stored), string(encode(t, again)), "redacting twice is as good as once")
		requireNoText(t, redacted)
	})
}

// requireNoText fails when an event holds what its person wrote or is called by.
func requireNoText(t *testing.T, e domain.Event) {
	t.Helper()
	switch e := e.(type) {
	case domain.UserRegistered:
		require.Empty(t, e.DisplayName)
	case domain.ProfileChanged:
		require.Equal(t, domain.ProfileChanged{}, e)
	case domain.MessageSent:
		require.Empty(t, e.Body)
		require.True(t, e.Erased)
	case domain.MessageEdited:
		require.Empty(t, e.Body)
		require.True(t, e.Erased)
	}
}
