package readapi_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ping/domain"
)

// BenchmarkSearch searches the messages of the corpus named by PING_SEARCH_CORPUS, in the format of `ping load
// --corpus`. Each request is over HTTP, for the first page. Words are rare (in 2-20 messages), medium (100-1,000),
// common (5,000 or more), or the beginnings of medium ones. One user is in all conversations, the other in one.
func BenchmarkSearch(b *testing.B) {
	path := os.Getenv("PING_SEARCH_CORPUS")
	if path == "" {
		b.Skip("PING_SEARCH_CORPUS names no corpus")
	}
	s := newSystem(b)
	everywhere, somewhere := s.user("Everywhere"), s.user("Somewhere")
	for _, user := range []domain.ID{everywhere, somewhere} {
		s.get(user, searchPath("nothing")) // until all read models have both
	}
	s.stopRunner()
	words := s.load(path, everywhere, somewhere)
	between := func(min, max int) (all []string) {
		for _, word := range slices.Sorted(maps.Keys(words)) {
			if n := words[word]; len(word) > 2 && n >= min && n <= max {
				all = append(all, word+" ")
			}
		}
		return all
	}
	rare, medium, common := between(2, 20), between(100, 1000), between(5000, 1<<30)
	var two, beginnings []string
	for i := range medium {
		two = append(two, medium[i]+common[i*7%len(common)])
		beginnings = append(beginnings, medium[i][:min(4, len(medium[i])-1)])
	}
	for _, class := range []struct {
		name    string
		queries []string
	}{{"rare", rare}, {"medium", medium}, {"common", common}, {"two", two}, {"beginning", beginnings}, {"the", []string{"the "}}, {"ubuntu", []string{"ubuntu "}}} {
		for name, user := range map[string]domain.ID{"all": everywhere, "one": somewhere} {
			b.Run(class.name+"/"+name, func(b *testing.B) { s.benchmarkSearch(b, user, class.queries) })
		}
	}
}

// benchmarkSearch searches for queries spread over the given ones.
func (s *system) benchmarkSearch(b *testing.B, user domain.ID, queries []string) {
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		path := searchPath(queries[n*7919%len(queries)])
		began := time.Now()
		status, body := s.get(user, path)
		took = append(took, time.Since(began))
		if status != http.StatusOK {
			b.Fatalf("%s: %d %s", path, status, body)
		}
	}
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(took[(len(took)-1)*p/100].Seconds()*1000, fmt.Sprintf("p%d-ms", p))
	}
	b.ReportMetric(0, "ns/op")
}

// load fills the tables that searches read from a corpus, and returns the number of messages per word.
func (s *system) load(path string, everywhere, somewhere domain.ID) (words map[string]int) {
	b, ctx := s.t, context.Background()
	file, err := os.Open(path)
	require.NoError(b, err)
	defer file.Close()
	text, err := gzip.NewReader(file)
	require.NoError(b, err)
	words = map[string]int{}
	var rows [][]any
	seqs := map[string]int64{}
	for lines := bufio.NewScanner(text); lines.Scan(); {
		var e struct {
			Conversation, Kind, User, Text string
			At                             time.Time
		}
		require.NoError(b, json.Unmarshal(lines.Bytes(), &e))
		if e.Kind == "nick" {
			continue
		}
		seqs[e.Conversation]++
		seq := seqs[e.Conversation]
		id := md5.Sum(fmt.Append(nil, e.Conversation, seq))
		rows = append(rows, []any{md5.Sum([]byte(e.Conversation)), seq, id, md5.Sum([]byte(e.User)),
			e.At.Add(time.Duration(seq) * time.Millisecond), strings.ReplaceAll(e.Text, "\x00", "")})
		unique := map[string]bool{}
		for _, word := range strings.FieldsFunc(strings.ToLower(e.Text), func(r rune) bool { return !unicode.IsLetter(r) }) {
			unique[word] = true
		}
		for word := range unique {
			words[word]++
		}
	}
	slices.SortStableFunc(rows, func(a, b []any) int { return a[4].(time.Time).Compare(b[4].(time.Time)) })
	_, err = s.pool.CopyFrom(ctx, pgx.Identifier{"timeline", "messages"},
		[]string{"conversation_id", "seq", "id", "author_id", "sent_at", "body"}, pgx.CopyFromRows(rows))
	require.NoError(b, err)
	for _, statement := range []string{
		`INSERT INTO search.messages SELECT conversation_id, seq, author_id, sent_at, search.words(search.scope(conversation_id), body)
		   FROM timeline.messages ORDER BY sent_at`,
		`INSERT INTO inbox.conversations (id, partition, kind, created_at, active_at, member_count, last_seq, last_ordinal)
		 SELECT conversation_id, 0, 'group', min(sent_at), max(sent_at), 2, max(seq), count(*) FROM timeline.messages GROUP BY 1`,
		fmt.Sprintf(`INSERT INTO inbox.members (conversation_id, user_id, role, joined_at, joined_seq, read_seq, read_ordinal)
		 SELECT DISTINCT conversation_id, '%s'::uuid, 'member', now(), 1, 0, 0 FROM timeline.messages`, everywhere),
		fmt.Sprintf(`INSERT INTO inbox.members (conversation_id, user_id, role, joined_at, joined_seq, read_seq, read_ordinal)
		 SELECT conversation_id, '%s'::uuid, 'member', now(), 1, 0, 0 FROM timeline.messages GROUP BY 1 ORDER BY count(*) DESC LIMIT 1`, somewhere),
		`VACUUM ANALYZE`,
	} {
		_, err := s.pool.Exec(ctx, statement)
		require.NoError(b, err)
	}
	return words
}
