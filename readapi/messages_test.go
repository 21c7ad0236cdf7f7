package readapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
	"ping/readapi"
)

func seqs(p readapi.MessagePage) (all []int64) {
	for _, m := range p.Items {
		all = append(all, m.Seq)
	}
	return all
}

func TestHistory(t *testing.T) {
	s := newSystem(t)
	ada, bob := s.user("Ada"), s.user("Bob")
	group := s.group("The crew", ada, bob) // seq 1-3
	var sent []*eventlog.Event
	for n := range 10 {
		sent = append(sent, s.send(group, ada, fmt.Sprint("message ", n), domain.ID{}))
		if n == 4 {
			s.execute(group, bob, func(c *domain.Conversation) ([]domain.Event, error) {
				return c.AdvanceRead(domain.AdvanceRead{Actor: bob, Seq: 4, LastSeq: 8})
			})
		}
	}
	// 4 5 6 7 8, 9 is the marker, 10 11 12 13 14
	path := "/v1/conversations/" + group.String() + "/messages"
	messages := func(query string) readapi.MessagePage {
		t.Helper()
		return read[readapi.MessagePage](s, bob, path+query)
	}
	t.Run("pages from newest to oldest", func(t *testing.T) {
		p := messages("?limit=4")
		require.Equal(t, []int64{14, 13, 12, 11}, seqs(p))
		p = messages("?limit=4&before=" + *p.Next)
		require.Equal(t, []int64{10, 8, 7, 6}, seqs(p))
		newer := *p.Previous
		p = messages("?limit=4&before=" + *p.Next)
		require.Equal(t, []int64{5, 4}, seqs(p))
		require.Nil(t, p.Next)
		require.Equal(t, []int64{14, 13, 12, 11}, seqs(messages("?limit=4&after="+newer)))
		require.Len(t, messages("").Items, 10)
	})
	t.Run("pages towards the newest", func(t *testing.T) {
		oldest := messages("?limit=200")
		p := messages("?limit=3&after=" + *messages("?limit=1&around=4").Previous)
		require.Equal(t, []int64{7, 6, 5}, seqs(p))
		p = messages("?limit=3&after=" + *p.Next)
		require.Equal(t, []int64{11, 10, 8}, seqs(p))
		require.Equal(t, []int64{7, 6, 5, 4}, seqs(messages("?before="+*p.Previous)))
		p = messages("?limit=3&after=" + *p.Next)
		require.Equal(t, []int64{14, 13, 12}, seqs(p))
		require.Nil(t, p.Next)
		empty := messages("?after=" + *oldest.Previous)
		require.Empty(t, empty.Items)
		require.Nil(t, empty.Next)
		require.Nil(t, empty.Previous)
	})
	t.Run("around a seq", func(t *testing.T) {
		require.Equal(t, []int64{12, 11, 10, 8}, seqs(messages("?limit=4&around=10")))
		require.Equal(t, []int64{11, 10, 8, 7}, seqs(messages("?limit=4&around=9")), "no message has this seq")
		require.Equal(t, []int64{14, 13, 12, 11}, seqs(messages("?limit=4&around=14")))
		require.Equal(t, []int64{14, 13, 12, 11}, seqs(messages("?limit=4&around=9223372036854775807")))
		require.Equal(t, []int64{7, 6, 5, 4}, seqs(messages("?limit=6&around=4")))
		require.Equal(t, []int64{7}, seqs(messages("?limit=1&around=7")))
		p := messages("?limit=2&around=8")
		require.Equal(t, []int64{10, 8}, seqs(p))
		require.Equal(t, []int64{7, 6}, seqs(messages("?limit=2&before="+*p.Next)))
		require.Equal(t, []int64{12, 11}, seqs(messages("?limit=2&after="+*p.Previous)))
	})
	t.Run("one message by id", func(t *testing.T) {
		m := read[web.Message](s, bob, path+"/"+sent[3].ID.String())
		require.Equal(t, web.Message{
			ID: sent[3].ID, ConversationID: group, Seq: 7, AuthorID: ada, Body: "message 3",
			Mentions: []domain.ID{}, Reactions: []web.Reaction{}, SentAt: sent[3].RecordedAt,
		}, m)
		other := s.group("another", bob)
		elsewhere := s.send(other, bob, "secret", domain.ID{})
		for _, id := range []domain.ID{elsewhere.ID, eventlog.NewID()} {
			require.Equal(t, "message_not_found", s.refused(bob, path+"/"+id.String(), http.StatusNotFound))
		}
	})
	t.Run("refusals", func(t *testing.T) {
		cursor := *messages("?limit=1").Next
		for query, code := range map[string]string{
			"?before=" + cursor + "&after=" + cursor: "validation",
			"?before=" + cursor + "&around=3":        "validation",
			"?before=!":                              "cursor_invalid",
			"?after=bWVzc2FnZXMKeA":                  "cursor_invalid", // messages\nx
			"?around=-1":                             "validation",
			"?around=0.5":                            "validation",
			"?limit=0":                               "validation",
			"?unknown=1":                             "validation",
		} {
			require.Equal(t, code, s.refused(bob, path+query, http.StatusUnprocessableEntity), query)
		}
		require.Equal(t, "conversation_not_found", s.refused(bob, "/v1/conversations/"+eventlog.NewID().String()+"/messages", http.StatusNotFound))
		require.Equal(t, "validation", s.refused(bob, "/v1/conversations/x/messages", http.StatusUnprocessableEntity))
	})
}

func TestEvents(t *testing.T) {
	s := newSystem(t)
	ada := s.user("Ada")
	group := s.group("The <crew> & co\u2028", ada)
	for n := range 5 {
		s.send(group, ada, fmt.Sprint("<i>", n, "</i>\u2028"), domain.ID{})
	}
	path := "/v1/conversations/" + group.String() + "/events"
	frames, err := s.log.ReadStream(t.Context(), group, 0, 100)
	require.NoError(t, err)
	require.Len(t, frames, 7)
	_, body := s.get(ada, path)
	for _, f := range frames {
		require.Contains(t, string(body), string(f.Frame), "the bytes are those of the frame")
	}
	var all []json.RawMessage
	for after := "0"; after != ""; {
		p := read[web.Page[json.RawMessage]](s, ada, path+"?limit=3&after="+after)
		all = append(all, p.Items...)
		if after = ""; p.Next != nil {
			after = *p.Next
		}
	}
	require.Len(t, all, 7)
	for i, f := range frames {
		require.Equal(t, string(f.Frame), string(all[i]))
	}
	require.Empty(t, read[web.Page[json.RawMessage]](s, ada, path+"?after=7").Items)
}

func TestUsers(t *testing.T) {
	s := newSystem(t)
	names := []string{"Ada", "adam", "Adélaïde", "ADA LOVELACE", "Bob", "Ad%", "Ad_a", "Ad\\", "Ünal", "A"}
	ids := map[string]domain.ID{}
	for _, name := range names {
		ids[name] = s.user(name)
		s.get(ids[name], "/v1/users/me") // each is in another partition
	}
	ada := ids["Ada"]
	require.Equal(t, web.User{ID: ada, DisplayName: "Ada"}, read[web.User](s, ada, "/v1/users/me"))
	require.Equal(t, web.User{ID: ids["Bob"], DisplayName: "Bob"}, read[web.User](s, ada, "/v1/users/"+ids["Bob"].String()))
	require.Equal(t, "user_not_found", s.refused(ada, "/v1/users/"+eventlog.NewID().String(), http.StatusNotFound))

	find := func(query string) (found []string) {
		t.Helper()
		for more := "/v1/users?limit=2&query=" + query; more != ""; {
			p := read[web.Page[web.User]](s, ada, more)
			for _, u := range p.Items {
				require.Equal(t, ids[u.DisplayName], u.ID)
				found = append(found, u.DisplayName)
			}
			if more = ""; p.Next != nil {
				more = "/v1/users?limit=2&query=" + query + "&cursor=" + *p.Next
			}
		}
		return found
	}
	require.Equal(t, []string{"Ada", "ADA LOVELACE", "adam"}, find("aDa"))
	require.Equal(t, []string{"Ad%"}, find("ad%25"))
	require.Equal(t, []string{"Ad_a"}, find("ad_"))
	require.Equal(t, []string{"Ünal"}, find("%C3%BC"))
	require.Len(t, find("a"), 8)
	require.Empty(t, find("zz"))
	for _, bad := range []string{"?query=", "", "?query=%00", "?query=%ff", "?query=" + strings.Repeat("a", 101)} {
		require.Equal(t, "validation", s.refused(ada, "/v1/users"+bad, http.StatusUnprocessableEntity), bad)
	}
}

func TestMinPosition(t *testing.T) {
	s := newSystem(t)
	ada := s.user("Ada")
	group := s.group("The crew", ada)
	path := "/v1/conversations/" + group.String() + "/messages?limit=1"
	for n := range 20 { // each read includes the write before it
		e := s.send(group, ada, fmt.Sprint("message ", n), domain.ID{})
		require.Equal(t, []int64{e.Version}, seqs(read[readapi.MessagePage](s, ada, path)))
	}
	for _, bad := range []string{"x", "1", "1:", "16:1", "1:-1", "1:1,,2:2"} {
		response := s.request(ada, path, bad)
		require.Equal(t, http.StatusBadRequest, response.StatusCode, bad)
		var problem web.Error
		require.NoError(t, json.NewDecoder(response.Body).Decode(&problem))
		require.Equal(t, "position_invalid", problem.Code)
	}
	s.stopRunner()
	at := s.send(group, ada, "not applied", domain.ID{})
	response := s.request(ada, path, s.last.String())
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	require.Equal(t, at.Version-1, readNow(s, ada, path).Items[0].Seq)
	// The log is never behind.
	events := s.request(ada, "/v1/conversations/"+group.String()+"/events?after="+fmt.Sprint(at.Version-1), "")
	var page web.Page[json.RawMessage]
	require.NoError(t, json.NewDecoder(events.Body).Decode(&page))
	require.Equal(t, []json.RawMessage{at.Frame}, page.Items)
}

// readNow reads without Ping-Min-Position.
func readNow(s *system, user domain.ID, path string) (p readapi.MessagePage) {
	s.t.Helper()
	require.NoError(s.t, json.NewDecoder(s.request(user, path, "").Body).Decode(&p))
	return p
}

// TestPlans explains the hot reads on tables of realistic size: none may scan a whole table or index.
func TestPlans(t *testing.T) {
	s := newSystem(t)
	s.stopRunner()
	ctx := context.Background()
	_, err := s.pool.Exec(ctx, `
		INSERT INTO inbox.conversations (id, partition, kind, name, created_at, active_at, member_count, last_seq, last_ordinal)
		SELECT md5('c' || n)::uuid, 0, CASE n % 2 WHEN 0 THEN 'group' ELSE 'direct' END, 'g', now(), now() - n * interval '1 second', 10, 200, 190 FROM generate_series(1, 2000) n;
		INSERT INTO inbox.members (conversation_id, user_id, role, joined_at, joined_seq, read_seq, read_ordinal)
		SELECT md5('c' || n)::uuid, md5('u' || (n + m * 7) % 1000)::uuid, 'member', now(), m, m, 0
		  FROM generate_series(1, 2000) n, generate_series(1, 10) m;
		INSERT INTO inbox.mentions (conversation_id, user_id, seq, author_id)
		SELECT md5('c' || n)::uuid, md5('u' || (n + m * 7) % 1000)::uuid, 10 + m, md5('u1')::uuid
		  FROM generate_series(1, 2000) n, generate_series(1, 10) m;
		INSERT INTO timeline.messages (conversation_id, seq, id, author_id, sent_at, body, pinned_seq, reacted)
		SELECT md5('c' || n)::uuid, 10 + m, md5('m' || n || ' ' || m)::uuid, md5('u' || n % 1000)::uuid, now(), repeat('hello ', 10),
		       CASE WHEN m % 10 = 0 THEN 100 + m END, m % 5 = 0
		  FROM generate_series(1, 2000) n, generate_series(1, 50) m;
		INSERT INTO timeline.reaction_counts (conversation_id, seq, emoji, count)
		SELECT md5('c' || n)::uuid, 10 + m, '👍', 1000 FROM generate_series(1, 2000) n, generate_series(5, 50, 5) m;
		INSERT INTO timeline.reactions (conversation_id, seq, emoji, user_id)
		SELECT md5('c77')::uuid, 60, '👍', md5('u' || n)::uuid FROM generate_series(10001, 20000) n;
		INSERT INTO timeline.reactions (conversation_id, seq, emoji, user_id)
		SELECT md5('c' || n)::uuid, 10 + m, '👍', md5('u' || n % 1000)::uuid
		  FROM generate_series(1, 2000) n, generate_series(5, 50, 5) m;
		INSERT INTO log.events (partition, position, stream, version, id, type, schema, decisive, recorded_at, actor, command_id, ordinal, fingerprint, payload)
		SELECT 200, n, md5('c' || n % 100)::uuid, n, md5('m' || n)::uuid, 'message.sent', 1, false, now(), md5('u1')::uuid, md5('k' || n)::uuid, 0, 0, '{}'
		  FROM generate_series(1, 5000) n;
		INSERT INTO directory.users (id, display_name, handle, registered_at, version)
		SELECT md5('u' || n)::uuid, 'User ' || n, 'u' || n, now(), 1 FROM generate_series(1, 20000) n;
		INSERT INTO directory.blocks SELECT md5('u' || n % 1000)::uuid, md5('u' || n)::uuid, n FROM generate_series(1, 20000) n`)
	require.NoError(t, err)
	for _, analyzed := range []bool{false, true} { // a new system has no statistics yet
		if analyzed {
			_, err := s.pool.Exec(ctx, `ANALYZE`)
			require.NoError(t, err)
		}
		for name, query := range readapi.HotReads() {
			if strings.HasPrefix(name, "users") && !analyzed {
				continue // sorts all matches, until the first autovacuum
			}
			for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
				plan := explain(t, s, mode, query)
				require.NotContains(t, plan, "Seq Scan", "%s, %s, analyzed %t:\n%s", name, mode, analyzed, plan)
				for _, read := range rowsRead.FindAllStringSubmatch(plan, -1) {
					n, err := strconv.Atoi(read[1])
					require.NoError(t, err)
					require.Less(t, n, 500, "%s, %s, analyzed %t:\n%s", name, mode, analyzed, plan)
				}
			}
		}
	}
}

var rowsRead = regexp.MustCompile(`(?:actual time=\S+ rows=|Rows Removed by \w+(?: Recheck| Filter)?: )(\d+)`)

// explain runs a query as a prepared statement, as the pool does, and returns its plan.
func explain(t *testing.T, s *system, mode string, query readapi.HotRead) string {
	t.Helper()
	ctx := context.Background()
	conn, err := s.pool.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	simple := pgx.QueryExecModeSimpleProtocol // only the query itself is prepared
	_, err = conn.Exec(ctx, `SET plan_cache_mode = `+mode+`; PREPARE hot AS `+query.SQL, simple)
	require.NoError(t, err)
	rows, err := conn.Query(ctx, `EXPLAIN ANALYZE EXECUTE hot(`+query.Arguments+`)`, simple)
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		plan.WriteString(line + "\n")
	}
	require.NoError(t, rows.Err())
	_, err = conn.Exec(ctx, `DEALLOCATE hot; RESET plan_cache_mode`, simple)
	require.NoError(t, err)
	return plan.String()
}

func TestEventsAfterRemoval(t *testing.T) {
	// The inbox is stopped: it still has bob as a member, and the log does not.
	s := newSystem(t)
	ada, bob := s.user("Ada"), s.user("Bob")
	group := s.group("The crew", ada, bob)
	path := "/v1/conversations/" + group.String() + "/events"
	read[web.Page[json.RawMessage]](s, bob, path)
	s.stopRunner()
	s.send(group, ada, "for both", domain.ID{})
	status := func() int { return s.request(bob, path, "").StatusCode }
	require.Equal(t, http.StatusOK, status())
	s.remove(group, ada, bob)
	s.send(group, ada, "not for bob", domain.ID{})
	require.Equal(t, http.StatusNotFound, status())
	s.execute(group, ada, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.AddMember(domain.AddMember{Actor: ada, UserID: bob, Role: domain.RoleMember})
	})
	require.Equal(t, http.StatusOK, status())
}
