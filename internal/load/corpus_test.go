package load

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func corpusConfig(file string) Config { return Config{Corpus: file, Users: 100} }

func TestCorpus(t *testing.T) {
	plain := filepath.Join("testdata", "chat.jsonl")

	t.Run("makes_a_group_and_a_line_of_each_conversation", func(t *testing.T) {
		p, err := corpusPlan(corpusConfig(plain))
		require.NoError(t, err)
		require.Equal(t, 7, p.messages)
		require.Len(t, p.senders, 2)
		monday, tuesday := p.senders[0], p.senders[1]
		require.Equal(t, []string{"good morning", "morning! é世\a \"quoted\" \\ done", "who left?", "see above"}, bodies(monday))
		require.Equal(t, []string{"waves", "   ", "eh?"}, bodies(tuesday), "actions are sent, nick changes are not")
		require.True(t, monday.lines[0].ordered)
		require.Len(t, monday.lines[0].conversation.members, 3)
	})
	t.Run("links_replies_to_messages_and_counts_the_others", func(t *testing.T) {
		p, err := corpusPlan(corpusConfig(plain))
		require.NoError(t, err)
		require.Equal(t, []int{-1, 0, -1, -1}, parents(p.senders[0]), "a nick change and a missing line are no parents")
		require.Equal(t, []int{-1, 0, 1}, parents(p.senders[1]))
		require.Equal(t, 2, p.unlinked)
	})
	t.Run("gives_a_nick_the_same_user_in_all_conversations", func(t *testing.T) {
		p, err := corpusPlan(corpusConfig(plain))
		require.NoError(t, err)
		require.Same(t, p.senders[0].script[0].author, p.senders[1].script[1].author)
		require.LessOrEqual(t, len(p.users), 3)
	})
	t.Run("maps_all_nicks_onto_the_pool", func(t *testing.T) {
		cfg := corpusConfig(plain)
		cfg.Users = 1
		p, err := corpusPlan(cfg)
		require.NoError(t, err)
		require.Len(t, p.users, 1)
		require.Len(t, p.conversations[0].members, 1)
	})
	t.Run("keeps_to_the_limits", func(t *testing.T) {
		cfg := corpusConfig(plain)
		cfg.Limit = 3
		p, err := corpusPlan(cfg)
		require.NoError(t, err)
		require.Equal(t, 3, p.messages)

		cfg.Limit, cfg.Conversations = 0, 1
		p, err = corpusPlan(cfg)
		require.NoError(t, err)
		require.Len(t, p.senders, 1)
		require.Equal(t, 4, p.messages)
	})
	t.Run("reads_gzip", func(t *testing.T) {
		text, err := os.ReadFile(plain)
		require.NoError(t, err)
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err = w.Write(text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		file := filepath.Join(t.TempDir(), "chat.gz")
		require.NoError(t, os.WriteFile(file, packed.Bytes(), 0o600))
		p, err := corpusPlan(corpusConfig(file))
		require.NoError(t, err)
		require.Equal(t, 7, p.messages)
	})
	t.Run("names_the_line_that_is_wrong", func(t *testing.T) {
		for text, want := range map[string]string{
			"": "no message",
			`{"conversation":"a","line":0,"kind":"message","user":"u","text":"x"}` + "\n{": "line 2",
			`{"line":0,"kind":"message","user":"u"}`:                                       "conversation is missing",
			`{"conversation":"a","line":-1,"kind":"message","user":"u"}`:                   "negative",
			`{"conversation":"a","kind":"song","user":"u"}`:                                "kind",
			`{"conversation":"a","kind":"message"}`:                                        "user is missing",
		} {
			_, err := readCorpus(strings.NewReader(text), corpusConfig(""))
			require.ErrorContains(t, err, want)
		}
	})
	t.Run("says_that_a_file_is_not_there", func(t *testing.T) {
		_, err := corpusPlan(corpusConfig(filepath.Join(t.TempDir(), "none")))
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func bodies(s *sender) (all []string) {
	for _, u := range s.script {
		all = append(all, u.body)
	}
	return all
}

func parents(s *sender) (all []int) {
	for _, u := range s.script {
		all = append(all, u.parent)
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
		p, err := readCorpus(bytes.NewReader(bytes.ReplaceAll(b, []byte("\n"), nil)), Config{Users: 3})
		if err == nil {
			require.Equal(t, 1, p.messages)
		}
	})
}
