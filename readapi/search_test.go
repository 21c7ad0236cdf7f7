package readapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
	"ping/readapi"
)

type foundPage = web.Page[readapi.FoundMessage]

func searchPath(q string, more ...string) string {
	return "/v1/search?q=" + url.QueryEscape(q) + strings.Join(more, "")
}

func bodies(p foundPage) (all []string) {
	for _, m := range p.Items {
		all = append(all, m.Message.Body)
	}
	return all
}

func TestSearch(t *testing.T) {
	s := newSystem(t)
	ada, bob, eve := s.user("Ada"), s.user("Bob"), s.user("Eve")
	crew, other := s.group("The crew", ada, bob), s.group("Another", ada, eve)
	find := func(user domain.ID, q string, more ...string) []string {
		t.Helper()
		return bodies(read[foundPage](s, user, searchPath(q, more...)))
	}
	in := "&conversation_id="

	t.Run("has the contract's shape", func(t *testing.T) {
		first := s.send(crew, bob, "ünique <b>Greetings</b> from Berlin", domain.ID{})
		status, body := s.get(ada, searchPath("greet"))
		require.Equal(t, http.StatusOK, status)
		require.JSONEq(t, fmt.Sprintf(`{"items": [{
			"message": {
				"id": %q, "conversation_id": %q, "seq": 4, "author_id": %q, "body": "ünique <b>Greetings</b> from Berlin", "reply_to": null,
				"mentions": [], "reactions": [], "edited_at": null, "deleted_at": null, "sent_at": %s, "pinned": false},
			"highlights": [{"start": 10, "end": 19}],
			"snippet": {"text": "ünique <b>Greetings</b> from Berlin", "start": 0}}], "next": null}`,
			first.ID, crew, bob, jsonOf(t, first.RecordedAt)), string(body))
	})
	t.Run("finds words in any order, their beginnings, and phrases", func(t *testing.T) {
		s.send(crew, ada, "edit /etc/apt/sources.list, then apt-get update", domain.ID{})
		for _, q := range []string{"update EDIT", "sources.list", "sour", "apt-get upd", `"then apt" `, "/etc/apt"} {
			require.Len(t, find(bob, q), 1, q)
		}
		for _, q := range []string{"sour ", `"apt then"`, "update missing", "ources", "?!"} {
			require.Empty(t, find(bob, q), q)
		}
	})
	t.Run("finds any part of text without spaces", func(t *testing.T) {
		for _, body := range []string{"我们明天去北京吧。好吗", "東京タワーに行きたい", "ฉันรักภาษาไทยมาก", "안녕하세요 여러분", "👍🏽 done"} {
			s.send(crew, ada, body, domain.ID{})
			text := []rune(strings.TrimSuffix(strings.TrimSuffix(body, " done"), "。好吗"))
			for length := 1; length <= len(text); length++ {
				for at := 0; at+length <= len(text); at++ {
					if part := string(text[at : at+length]); !strings.Contains(part, " ") {
						require.Contains(t, find(bob, part), body, part)
					}
				}
			}
		}
		require.Empty(t, find(bob, "北我"))
		require.Empty(t, find(bob, "吧好"))
	})
	t.Run("finds messages for current members only", func(t *testing.T) {
		s.send(other, ada, "a secret of ours", domain.ID{})
		require.Len(t, find(eve, "secret"), 1)
		require.Empty(t, find(bob, "secret"))
		require.Equal(t, "conversation_not_found", s.refused(bob, searchPath("secret", in, other.String()), http.StatusNotFound))
		require.Equal(t, "conversation_not_found", s.refused(bob, searchPath("secret", in, eventlog.NewID().String()), http.StatusNotFound))
		s.remove(other, ada, eve)
		require.Empty(t, find(eve, "secret"))
		require.Equal(t, "conversation_not_found", s.refused(eve, searchPath("secret", in, other.String()), http.StatusNotFound))
		require.Len(t, find(ada, "secret"), 1)
	})
	t.Run("filters by conversation, author and time", func(t *testing.T) {
		first := s.send(crew, ada, "filtered one", domain.ID{})
		second := s.send(other, ada, "filtered two", domain.ID{})
		s.get(ada, searchPath("filtered"))
		third := s.send(crew, bob, "filtered three", domain.ID{})
		require.ElementsMatch(t, []string{"filtered one", "filtered two", "filtered three"}, find(ada, "filtered"))
		require.ElementsMatch(t, []string{"filtered one", "filtered three"}, find(ada, "filtered", in, crew.String()))
		require.Equal(t, []string{"filtered three"}, find(ada, "filtered", "&author_id=", bob.String()))
		at := func(e *eventlog.Event) string { return url.QueryEscape(e.RecordedAt.Format(time.RFC3339Nano)) }
		require.Equal(t, []string{"filtered three"}, find(ada, "filtered", "&after=", at(third)))
		require.NotContains(t, find(ada, "filtered", "&before=", at(third)), "filtered three")
		require.ElementsMatch(t, []string{"filtered one", "filtered two"},
			find(ada, "filtered", "&author_id=", ada.String(), "&after=", at(first), "&before=", at(third)))
		require.NotContains(t, find(ada, "filtered", "&before=", at(second)), "filtered two")
	})
	t.Run("follows edits, deletions and erasure", func(t *testing.T) {
		mine := s.send(crew, bob, "before the change", domain.ID{})
		ref := domain.Message{MessageRef: domain.MessageRef{MessageID: mine.ID, MessageSeq: mine.Version}, Author: bob, Body: "before the change"}
		s.execute(crew, bob, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.EditMessage(domain.EditMessage{Actor: bob, Message: ref, Body: "afterwards"})
		})
		require.Empty(t, find(ada, "before the change"))
		require.Len(t, read[foundPage](s, ada, searchPath("afterwards")).Items, 1)
		s.execute(crew, bob, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.DeleteMessage(domain.DeleteMessage{Actor: bob, Message: ref})
		})
		require.Empty(t, find(ada, "afterwards"))
		// Another node edited the message concurrently.
		s.execute(crew, bob, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.EditMessage(domain.EditMessage{Actor: bob, Message: ref, Body: "afterwards again"})
		})
		require.Empty(t, find(ada, "afterwards"))

		require.NotEmpty(t, find(ada, "filtered three"))
		s.execute(crew, bob, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.EraseMember(domain.EraseMember{UserID: bob})
		})
		require.Empty(t, find(ada, "filtered three"))
		require.NotEmpty(t, find(ada, "filtered one"))
	})
	t.Run("refusals", func(t *testing.T) {
		for _, bad := range []string{
			"/v1/search", searchPath(""), searchPath("a\x00"), "/v1/search?q=%ff", searchPath(strings.Repeat("é", 201)),
			searchPath(strings.Repeat("a ", 21)), searchPath("a", "&limit=201"), searchPath("a", "&before=yesterday"), searchPath("a", in, "x"),
		} {
			require.Equal(t, "validation", s.refused(ada, bad, http.StatusUnprocessableEntity), bad)
		}
		for _, bad := range []string{"x", "c2VhcmNoIG9uCjEKMQox", "c2VhcmNoCjE"} {
			require.Equal(t, "cursor_invalid", s.refused(ada, searchPath("a", "&cursor=", bad), http.StatusUnprocessableEntity), bad)
		}
		require.Equal(t, "unauthenticated", s.refused(domain.ID{}, searchPath("a"), http.StatusUnauthorized))
	})
	t.Run("accepts any punctuation", func(t *testing.T) {
		for _, q := range []string{`"`, `'`, `\`, `a'b`, `!a`, `(a`, `a:*`, `a & | !`, `<->`, `a <-> b`, `'@`, strings.Repeat(`"`, 200), strings.Repeat("中 ", 20)} {
			find(ada, q)
		}
	})
}

// seedSearch fills the tables that searches read with conversations of many users.
func (s *system) seedSearch(conversations, messages int, body string) {
	s.t.Helper()
	_, err := s.pool.Exec(context.Background(), `
		INSERT INTO inbox.members (conversation_id, user_id, role, joined_at, joined_seq, read_seq, read_ordinal)
		SELECT md5('c' || n)::uuid, md5('u' || (n + m * 7) % 1000)::uuid, 'member', now(), m, 0, 0
		  FROM generate_series(1, $1) n, generate_series(1, 10) m`, conversations)
	require.NoError(s.t, err)
	_, err = s.pool.Exec(context.Background(), `
		INSERT INTO inbox.conversations (id, partition, kind, created_at, active_at, member_count, last_seq, last_ordinal)
		SELECT md5('c' || n)::uuid, 0, 'group', now(), now(), 10, $2, $2 FROM generate_series(1, $1) n`, conversations, messages)
	require.NoError(s.t, err)
	_, err = s.pool.Exec(context.Background(), `
		INSERT INTO timeline.messages (conversation_id, seq, id, author_id, sent_at, body)
		SELECT md5('c' || n)::uuid, m, md5('m' || n || ' ' || m)::uuid, md5('u' || n)::uuid,
		       '2026-01-01'::timestamptz + (m / 3) * interval '1 day', $3 || ' word' || m
		  FROM generate_series(1, $2) m, generate_series(1, $1) n`, conversations, messages, body)
	require.NoError(s.t, err)
	_, err = s.pool.Exec(context.Background(), `
		INSERT INTO search.messages SELECT conversation_id, seq, author_id, sent_at, search.words(search.scope(conversation_id), body)
		  FROM timeline.messages`)
	require.NoError(s.t, err)
}

// TestSearchPages reads all matches page by page while messages are added.
func TestSearchPages(t *testing.T) {
	s := newSystem(t)
	ada := s.user("Ada")
	s.get(ada, searchPath("hello")) // until all read models have the user
	s.stopRunner()
	s.seedSearch(3, readapi.SearchWindow, "hello")
	_, err := s.pool.Exec(t.Context(), `
		INSERT INTO inbox.members (conversation_id, user_id, role, joined_at, joined_seq, read_seq, read_ordinal)
		SELECT md5('c' || n)::uuid, $1, 'member', now(), 11, 0, 0 FROM generate_series(1, 3) n`, ada)
	require.NoError(t, err)
	path := searchPath("hello", "&limit=150")
	type key struct {
		conversation domain.ID
		seq          int64
	}
	seen := map[key]bool{}
	oldest := time.Now()
	pages := 0
	for more := path; more != ""; pages++ {
		p := read[foundPage](s, ada, more)
		for _, m := range p.Items {
			k := key{m.Message.ConversationID, m.Message.Seq}
			require.False(t, seen[k], "%v is returned twice", k)
			seen[k] = true
			if len(seen) <= readapi.SearchWindow && m.Message.SentAt.Before(oldest) {
				oldest = m.Message.SentAt
			}
			require.True(t, len(seen) <= readapi.SearchWindow || !m.Message.SentAt.After(oldest), "the newest window first")
		}
		if more = ""; p.Next != nil {
			more = path + "&cursor=" + *p.Next
		}
		_, err := s.pool.Exec(t.Context(), `
			INSERT INTO search.messages SELECT md5('c1')::uuid, 10000 + $1::int, md5('u1')::uuid, '2026-12-01', search.words(search.scope(md5('c1')::uuid), 'hello')`, pages)
		require.NoError(t, err)
	}
	require.Len(t, seen, 3*readapi.SearchWindow)
	require.Greater(t, pages, 8)
}

// TestSearchRanks: messages rank higher if they have the words more often or closer together, or are newer.
func TestSearchRanks(t *testing.T) {
	s := newSystem(t)
	ada := s.user("Ada")
	group := s.group("The crew", ada) // seq 1 and 2
	for _, body := range []string{"red red red fox", "a red fox", "a fox that is neither grey nor brown but red", "red"} {
		s.send(group, ada, body, domain.ID{})
	}
	find := func(q string) []string { return bodies(read[foundPage](s, ada, searchPath(q))) }
	require.Equal(t, "red red red fox", find("red")[0])
	require.Equal(t, []string{"a red fox", "red red red fox", "a fox that is neither grey nor brown but red"}, find("red fox"))
	s.stopRunner()
	_, err := s.pool.Exec(t.Context(), `UPDATE search.messages SET sent_at = sent_at - interval '2 years' WHERE seq = 4`)
	require.NoError(t, err)
	require.Equal(t, []string{"red red red fox", "a fox that is neither grey nor brown but red", "a red fox"}, find("red fox"))
}

// TestSearchTooBroad: a search that takes too long is cancelled, in Postgres too.
func TestSearchTooBroad(t *testing.T) {
	s := newSystem(t)
	ada := s.user("Ada")
	s.send(s.group("The crew", ada), ada, "hello", domain.ID{})
	require.Len(t, read[foundPage](s, ada, searchPath("hello")).Items, 1)
	_, err := s.pool.Exec(t.Context(), `
		CREATE OR REPLACE FUNCTION search.scope(conversation_id uuid) RETURNS text LANGUAGE sql AS 'SELECT pg_sleep(60)::text'`)
	require.NoError(t, err)
	require.Equal(t, "search_too_broad", s.refused(ada, searchPath("hello"), http.StatusUnprocessableEntity))
	for range 10 { // no connection keeps the timeout
		var bound string
		require.NoError(t, s.pool.QueryRow(t.Context(), `SHOW statement_timeout`).Scan(&bound))
		require.Equal(t, "0", bound)
	}
}

// TestSearchPlan: the cost of a search depends on the searched conversations only. The index is searched once for each,
// however many others exist.
func TestSearchPlan(t *testing.T) {
	s := newSystem(t)
	s.stopRunner()
	s.seedSearch(2000, 10, "hello there 中国")
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			_, err := s.pool.Exec(t.Context(), `VACUUM ANALYZE`)
			require.NoError(t, err)
		}
		for name, query := range readapi.Searches() {
			for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
				plan := explain(t, s, mode, query)
				require.NotContains(t, plan, "Seq Scan", "%s, %s, analyzed %t:\n%s", name, mode, analyzed, plan)
				require.Contains(t, plan, "Bitmap Index Scan on messages_words", "%s, %s, analyzed %t:\n%s", name, mode, analyzed, plan)
				require.NotContains(t, plan, "BitmapAnd", "%s, %s, analyzed %t:\n%s", name, mode, analyzed, plan)
				for _, read := range rowsRead.FindAllStringSubmatch(plan, -1) {
					n, err := strconv.Atoi(read[1])
					require.NoError(t, err)
					require.LessOrEqual(t, n, 200, "%s, %s, analyzed %t:\n%s", name, mode, analyzed, plan)
				}
			}
		}
	}
}
