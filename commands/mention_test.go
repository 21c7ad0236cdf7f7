package commands_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/web"
)

func TestMentions(t *testing.T) {
	s := newSystem(t)
	n, other := s.start(), s.start()
	ann, bob, cat, eve := n.person(t, "ann"), n.person(t, "bob"), n.person(t, "cat"), n.person(t, "eve")
	for handle, p := range map[string]person{"ann": ann, "bob": bob, "cat": cat, "eve": eve} {
		n.do(t, handleRequest(p, handle)).is(http.StatusOK)
	}
	crew := n.group(t, ann, bob, cat)

	for body, want := range map[string][]domain.ID{
		"@bob":                             {bob.ID},
		"hi @Cat, and @BOB; @cat!":         {cat.ID, bob.ID},
		"@nobody and @bob":                 {bob.ID},
		"@eve is not in here":              {},
		"I, @ann, mention myself":          {},
		"bob@cat.example @@bob @bobby @bo": {},
		"nobody":                           {},
	} {
		for _, node := range []*node{n, other} {
			m := into[web.Message](node.do(t, sendRequest(ann, crew, "", body)).is(http.StatusCreated))
			require.Equal(t, want, m.Mentions, "%q", body)
			require.Equal(t, body, m.Body)
			e, err := node.log.EventByID(t.Context(), m.ID)
			require.NoError(t, err)
			var sent struct{ Mentions []domain.ID }
			require.NoError(t, json.Unmarshal(e.Payload, &sent))
			require.ElementsMatch(t, want, sent.Mentions, "%q", body)
		}
	}
	t.Run("a retry answers the mentions of the first attempt", func(t *testing.T) {
		r := sendRequest(ann, crew, "k", "@bob @cat")
		first := n.do(t, r).is(http.StatusCreated)
		require.Equal(t, []domain.ID{bob.ID, cat.ID}, into[web.Message](first).Mentions)
		n.do(t, handleRequest(cat, "kitty")).is(http.StatusOK)
		n.do(t, handleRequest(eve, "cat")).is(http.StatusOK)
		n.do(t, removeRequest(ann, crew, bob.ID)).is(http.StatusNoContent)
		for _, node := range []*node{n, other} {
			again := node.do(t, r).is(http.StatusCreated)
			require.True(t, again.replayed())
			require.JSONEq(t, string(first.body), string(again.body))
		}
		m := into[web.Message](other.do(t, sendRequest(ann, crew, "", "@bob @cat @kitty")).is(http.StatusCreated))
		require.Equal(t, []domain.ID{cat.ID}, m.Mentions, "handles mean who has them when it is sent")
	})
	t.Run("an edit rings nobody's bell", func(t *testing.T) {
		m := n.send(t, ann, crew, "hello")
		n.do(t, editRequest(ann, m, "@kitty")).is(http.StatusOK)
		events, err := n.log.ReadStream(t.Context(), crew, m.Seq, 10)
		require.NoError(t, err)
		require.NotContains(t, string(events[0].Payload), "mentions")
	})
	t.Run("are bounded", func(t *testing.T) {
		m := n.send(t, ann, crew, strings.Repeat("@somebody ", 300)+"@kitty")
		require.Equal(t, []domain.ID{cat.ID}, m.Mentions, "each handle counts once")
	})
}
