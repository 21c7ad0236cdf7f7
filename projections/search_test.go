package projections

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/domain"
)

// said is a message that is there to be found.
type said struct {
	author domain.ID
	body   string
}

// drawTalk makes a log of messages that are edited, deleted, edited all the
// same by a node that did not know, and whose authors are erased. It returns
// what is there to be found at its end, by conversation and seq.
func drawTalk(t *rapid.T) (w *writer, found map[domain.ID]map[int64]said) {
	w = newWriter()
	users := []domain.ID{named("user", 0), named("user", 1), named("user", 2)}
	type message struct {
		ref    domain.MessageRef
		author domain.ID
	}
	groups := make([]domain.ID, 3)
	messages := map[domain.ID][]message{}
	erased := map[[2]domain.ID]bool{}
	found = map[domain.ID]map[int64]said{}
	for n := range groups {
		groups[n] = w.group(n, users...)
		found[groups[n]] = map[int64]said{}
	}
	for n := range rapid.IntRange(5, 80).Draw(t, "events") {
		g := rapid.SampledFrom(groups).Draw(t, "group")
		u := rapid.SampledFrom(users).Draw(t, "user")
		if erased[[2]domain.ID{g, u}] {
			continue
		}
		body := fmt.Sprintf("word%d 中国%d", n, n)
		action := rapid.SampledFrom([]string{"send", "send", "send", "edit", "edit", "delete", "erase"}).Draw(t, "action")
		if action == "send" {
			r := w.append(g, u, domain.MessageSent{Body: body})
			messages[g] = append(messages[g], message{domain.MessageRef{MessageID: r.id, MessageSeq: r.version}, u})
			found[g][r.version] = said{u, body}
			continue
		}
		if action == "erase" {
			w.append(g, u, domain.MemberErased{UserID: u})
			erased[[2]domain.ID{g, u}] = true
			for seq, s := range found[g] {
				if s.author == u {
					delete(found[g], seq)
				}
			}
			continue
		}
		if len(messages[g]) == 0 {
			continue
		}
		m := rapid.SampledFrom(messages[g]).Draw(t, "message")
		if action == "delete" {
			w.append(g, u, domain.MessageDeleted{MessageRef: m.ref})
			delete(found[g], m.ref.MessageSeq)
		} else if !erased[[2]domain.ID{g, m.author}] {
			w.append(g, m.author, domain.MessageEdited{MessageRef: m.ref, Body: body})
			if s, ok := found[g][m.ref.MessageSeq]; ok {
				found[g][m.ref.MessageSeq] = said{s.author, body}
			}
		}
	}
	return w, found
}

// blank overwrites some of what erased members wrote, as it happens to a log
// at any time after their erasure.
func (w *writer) blank(t *rapid.T) {
	for at, e := range w.events {
		gone := slices.ContainsFunc(w.events[at:], func(later recorded) bool {
			erasure, is := later.event.(domain.MemberErased)
			return is && later.stream == e.stream && erasure.UserID == e.actor
		})
		if blanked, personal := domain.Redact(e.event); gone && personal && rapid.Bool().Draw(t, "blanked") {
			w.events[at].event = blanked
		}
	}
}

func TestSearch(t *testing.T) {
	pool := installed(t)
	ctx := context.Background()
	p := BuiltIn()[slices.IndexFunc(BuiltIn(), func(p Projection) bool { return p.Name == "search" })]
	a := applierFor(t, pool, p)
	rapid.Check(t, func(rt *rapid.T) {
		clear(rt, pool)
		w, found := drawTalk(rt)
		w.store(t, pool)
		rewind(rt, pool, p)
		for _, batch := range w.cut(rt) {
			require.NoError(rt, a.apply(ctx, batch))
		}
		live := dump(rt, pool, p)
		requireFound(rt, pool, found)

		w.blank(rt)
		_, err := pool.Exec(ctx, `TRUNCATE log.events, log.heads`)
		require.NoError(rt, err)
		w.store(t, pool)
		for _, batches := range [][][]span{{w.whole()}, w.cut(rt)} {
			rewind(rt, pool, p)
			for _, batch := range batches {
				require.NoError(rt, a.apply(ctx, batch))
			}
			require.Equal(rt, live, dump(rt, pool, p), "from a log with blanks")
		}
	})
	require.NoError(t, Rebuild(ctx, pool, p, func(int64, int64) {}))
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM pg_indexes WHERE schemaname = 'search' AND indexname = 'messages_words'`))
	require.Positive(t, count(t, pool, `SELECT cardinality(tsvector_to_array(search.words(search.scope(gen_random_uuid()), 'after the swap')))`))
}

// requireFound compares the rows with those of the messages to be found.
func requireFound(t require.TestingT, pool *pgxpool.Pool, found map[domain.ID]map[int64]said) {
	var want []string
	for conversation, messages := range found {
		for seq, s := range messages {
			scope := conversation.String()[30:]
			word, run, _ := strings.Cut(s.body, " ")
			number := strings.TrimPrefix(word, "word")
			require.Equal(t, "中国"+number, run)
			want = append(want, fmt.Sprintf("%s %d %s %s%s %s%s %s中国 %s国", uuid.UUID(conversation), seq, uuid.UUID(s.author),
				scope, number, scope, word, scope, scope))
		}
	}
	rows, _ := pool.Query(context.Background(), `
		SELECT concat_ws(' ', conversation_id, seq, author_id, array_to_string(tsvector_to_array(words), ' ')) FROM search.messages`)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.ElementsMatch(t, want, got)
}

// TestSearchTakesAnyText: a body that could not be indexed would park the
// event, and stop a rebuild.
func TestSearchTakesAnyText(t *testing.T) {
	pool := installed(t)
	letters := rapid.SampledFrom([]string{"a", "É", "中", "ก", " ", "\n", "'", "\\", ":", "&", "@", "👍", "\u200d", "\u0301", "\ufffd", "\x01", "9", ".", "-"})
	rapid.Check(t, func(rt *rapid.T) {
		body := strings.Repeat(strings.Join(rapid.SliceOfN(letters, 1, 40).Draw(rt, "body"), ""), rapid.SampledFrom([]int{1, 2, 100}).Draw(rt, "times"))
		if rapid.Bool().Draw(rt, "any") {
			body = strings.ReplaceAll(rapid.String().Draw(rt, "text"), "\x00", "")
		}
		_, err := pool.Exec(context.Background(), `SELECT search.words('c0ffee', $1)`, body)
		require.NoError(rt, err)
	})
	for _, body := range []string{
		strings.Repeat("x", 4000), strings.Repeat("é", 1023), strings.Repeat("\U00010400", 4000),
		strings.Repeat(" ", 60_000) + strings.Repeat("中", 4000), strings.Repeat("a ", 2000), strings.Repeat("''", 2000),
	} {
		_, err := pool.Exec(context.Background(), `SELECT search.words('c0ffee', $1)`, body)
		require.NoError(t, err)
	}
}
