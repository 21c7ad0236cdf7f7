package ephemeral

import (
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func FuzzMessage(f *testing.F) {
	one, other := newID(), newID()
	for _, m := range []Message{
		{Kind: KindStealth, Conversations: []domain.ID{one}, Frame: []byte(`{"type":"stealth","body":"two\nlines"}`)},
		{Kind: KindTyping, From: one, Conversations: []domain.ID{other}, Except: []domain.ID{other, one}, Frame: []byte(`{}`)},
		{Kind: KindPresence, From: other, Frame: []byte(`{}`)},
	} {
		f.Add(string(m.encode()))
	}
	f.Add("s  - -\n{}")
	f.Add("p - -\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := decode(text)
		if err != nil {
			return
		}
		again, err := decode(string(m.encode()))
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}
