package readapi_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/readapi"
)

// BenchmarkHistory measures over HTTP what clients read most: pages of a conversation of 100,000 messages, and the
// inbox and unread total of a user in 200 conversations of 100 messages each.
func BenchmarkHistory(b *testing.B) {
	s := newSystem(b)
	user := s.user("Ada")
	s.get(user, "/v1/users/me")
	s.get(user, "/v1/conversations") // until all read models have the user
	s.stopRunner()
	large := s.fill(user)
	path := "/v1/conversations/" + large.String() + "/messages"
	middle := func(n int) string { return fmt.Sprint(1000 + n*7919%98_000) }
	// Cursors are opaque: those of middle pages come from other pages.
	var cursors []string
	for n := range 50 {
		cursors = append(cursors, *read[readapi.MessagePage](s, user, path+"?limit=2&around="+middle(n)).Next)
	}
	for _, one := range []struct {
		name string
		path func(n int) string
	}{
		{"first page", func(int) string { return path }},
		{"middle page", func(n int) string { return path + "?before=" + cursors[n%len(cursors)] }},
		{"newer page", func(n int) string { return path + "?after=" + cursors[n%len(cursors)] }},
		{"around", func(n int) string { return path + "?around=" + middle(n) }},
		{"inbox", func(int) string { return "/v1/conversations" }},
		{"unread", func(int) string { return "/v1/users/me/unread" }},
	} {
		b.Run(one.name, func(b *testing.B) { s.benchmarkReads(b, user, one.path) })
	}
}

// benchmarkReads requests one path after another.
func (s *system) benchmarkReads(b *testing.B, user domain.ID, path func(n int) string) {
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		began := time.Now()
		status, body := s.get(user, path(n))
		took = append(took, time.Since(began))
		if status != http.StatusOK {
			b.Fatalf("%s: %d %s", path(n), status, body)
		}
	}
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(took[(len(took)-1)*p/100].Seconds()*1000, fmt.Sprintf("p%d-ms", p))
	}
	b.ReportMetric(0, "ns/op")
}

// fill fills the read models and returns the large conversation.
func (s *system) fill(user domain.ID) domain.ID {
	s.t.Helper()
	ctx := context.Background()
	for _, statement := range []string{
		`INSERT INTO inbox.conversations (id, partition, kind, name, created_at, active_at, member_count, last_seq, last_ordinal)
		 SELECT md5('c' || n)::uuid, 0, 'group', 'g', now(), now() - n * interval '1 second', 10, CASE n WHEN 0 THEN 100010 ELSE 110 END, CASE n WHEN 0 THEN 100000 ELSE 100 END
		   FROM generate_series(0, 200) n`,
		fmt.Sprintf(`INSERT INTO inbox.members (conversation_id, user_id, role, joined_at, joined_seq, read_seq, read_ordinal)
		 SELECT md5('c' || n)::uuid, CASE m WHEN 1 THEN '%s' ELSE md5('u' || (n + m * 7) %% 1000)::uuid END, 'member', now(), m, 50, 40
		   FROM generate_series(0, 200) n, generate_series(1, 10) m`, user),
		fmt.Sprintf(`INSERT INTO inbox.mentions (conversation_id, user_id, seq, author_id)
		 SELECT md5('c' || n)::uuid, '%s'::uuid, 10 + m * 10, md5('u1')::uuid FROM generate_series(0, 200) n, generate_series(1, 10) m`, user),
		`INSERT INTO timeline.messages (conversation_id, seq, id, author_id, sent_at, body, reacted)
		 SELECT md5('c' || n)::uuid, 10 + m, md5('m' || n || ' ' || m)::uuid, md5('u' || m % 10)::uuid, now(), repeat('hello ', 1 + m % 20), m % 5 = 0
		   FROM generate_series(0, 200) n, generate_series(1, CASE n WHEN 0 THEN 100000 ELSE 100 END) m`,
		`INSERT INTO timeline.reactions (conversation_id, seq, emoji, user_id)
		 SELECT conversation_id, seq, '👍', md5('u' || u)::uuid FROM timeline.messages, generate_series(1, 3) u WHERE reacted`,
		`VACUUM ANALYZE`,
	} {
		_, err := s.pool.Exec(ctx, statement)
		require.NoError(s.t, err)
	}
	var id domain.ID
	require.NoError(s.t, s.pool.QueryRow(ctx, `SELECT md5('c0')::uuid`).Scan(&id))
	return id
}
