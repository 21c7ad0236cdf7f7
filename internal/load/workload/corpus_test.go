package workload

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func corpusOf(file string) Corpus { return Corpus{File: file, Users: 100} }

func TestCorpus(t *testing.T) {
	plain := filepath.Join("testdata", "chat.jsonl")

	t.Run("makes a group and a line of each conversation", func(t *testing.T) {
		p, err := corpusOf(plain).Plan()
		require.NoError(t, err)
		require.Equal(t, 7, p.Messages)
		require.Len(t, p.Senders, 2)
		monday, tuesday := p.Senders[0], p.Senders[1]
		require.Equal(t, []string{"good morning", "morning! é世\a \"quoted\" \\ done", "who left?", "see above"}, bodies(monday))
		require.Equal(t, []string{"waves", "   ", "eh?"}, bodies(tuesday), "actions are sent, nick changes are not")
		require.True(t, monday.Lines[0].Ordered)
		require.Len(t, monday.Lines[0].Conversation.Members, 3)
	})
	t.Run("links replies to messages and counts the others", func(t *testing.T) {
		p, err := corpusOf(plain).Plan()
		require.NoError(t, err)
		require.Equal(t, []int{-1, 0, -1, -1}, parents(p.Senders[0]), "a nick change and a missing line are no parents")
		require.Equal(t, []int{-1, 0, 1}, parents(p.Senders[1]))
		require.Equal(t, 2, p.Unlinked)
	})
	t.Run("gives a nick the same user in all conversations", func(t *testing.T) {
		p, err := corpusOf(plain).Plan()
		require.NoError(t, err)
		require.Same(t, p.Senders[0].Script[0].Author, p.Senders[1].Script[1].Author)
		require.LessOrEqual(t, len(p.Users), 3)
	})
	t.Run("maps all nicks onto the pool", func(t *testing.T) {
		c := corpusOf(plain)
		c.Users = 1
		p, err := c.Plan()
		require.NoError(t, err)
		require.Len(t, p.Users, 1)
		require.Len(t, p.Conversations[0].Members, 1)
	})
	t.Run("keeps to the limits", func(t *testing.T) {
		c := corpusOf(plain)
		c.Limit = 3
		p, err := c.Plan()
		require.NoError(t, err)
		require.Equal(t, 3, p.Messages)

		c.Limit, c.Conversations = 0, 1
		p, err = c.Plan()
		require.NoError(t, err)
		require.Len(t, p.Senders, 1)
		require.Equal(t, 4, p.Messages)
	})
	t.Run("reads gzip", func(t *testing.T) {
		text, err := os.ReadFile(plain)
		require.NoError(t, err)
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err = w.Write(text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		file := filepath.Join(t.TempDir(), "chat.gz")
		require.NoError(t, os.WriteFile(file, packed.Bytes(), 0o600))
		p, err := corpusOf(file).Plan()
		require.NoError(t, err)
		require.Equal(t, 7, p.Messages)
	})
	t.Run("names the line that is wrong", func(t *testing.T) {
		for text, want := range map[string]string{
			"": "no message",
			`{"conversation":"a","line":0,"kind":"message","user":"u","text":"x"}` + "\n{": "line 2",
			`{"line":0,"kind":"message","user":"u"}`:                                       "conversation is missing",
			`{"conversation":"a","line":-1,"kind":"message","user":"u"}`:                   "negative",
			`{"conversation":"a","kind":"song","user":"u"}`:                                "kind",
			`{"conversation":"a","kind":"message"}`:                                        "user is missing",
		} {
			_, err := corpusOf("").read(strings.NewReader(text))
			require.ErrorContains(t, err, want)
		}
	})
	t.Run("reports a missing file", func(t *testing.T) {
		_, err := corpusOf(filepath.Join(t.TempDir(), "none")).Plan()
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func bodies(s *Sender) (all []string) {
	for _, u := range s.Script {
		all = append(all, u.Body)
	}
	return all
}

func parents(s *Sender) (all []int) {
	for _, u := range s.Script {
		all = append(all, u.Parent)
	}
	return all
}

// FuzzDecodeEntry: what is accepted has what sending needs.
func FuzzDecodeEntry(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "chat.jsonl"))
	require.NoError(f, err)
	for line := range bytes.Lines(text) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(b)
		if err != nil {
			return
		}
		require.NotEmpty(t, e.Conversation)
		require.GreaterOrEqual(t, e.Line, 0)
		if e.Kind != kindNick {
			require.NotEmpty(t, e.User)
		}
		p, err := Corpus{Users: 3}.read(bytes.NewReader(bytes.ReplaceAll(b, []byte("\n"), nil)))
		if err == nil {
			require.Equal(t, 1, p.Messages)
		}
	})
}
