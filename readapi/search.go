package readapi

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/postgres"
	"ping/internal/web"
)

// Matches are ordered in windows: the newest searchWindow matches, best first, then the next window. This bounds how
// many messages are ranked per page, and all matches are found in the end.
//
// Within a window a message ranks by how often and how close together it has the words, and by its time: twice as
// relevant equals 90 days newer. That difference does not change with time, so the order of two messages changes only
// when one is edited.
const searchWindow = 400

// searchTimeout bounds searches for very common words in very long histories.
const searchTimeout = "1s"

var errSearchTooBroad = &domain.Error{Kind: domain.Unprocessable, Code: "search_too_broad", Message: "This search takes too long; add a word, or name a conversation."}

// The index is searched once per conversation of the caller, for the words in their indexed form. IS NOT DISTINCT FROM
// keeps the planner from reading the whole conversation by its key instead.
//
// $1 caller, $2 conversation or null, $3 and $4 the words and the runs (see tsqueries), $5 author or null, $6 and $7
// the times, $8-$10 and $11-$13 the bounds of the window, the upper one exclusive, $14 its size, $15-$17 the last hit
// of the previous page, $18 the limit.
const searchSQL = `
WITH terms AS MATERIALIZED (
    SELECT concat_ws(' & ', nullif(regexp_replace(to_tsquery('simple', $3)::text, '''([^'']+)''', '''@\1''', 'g'), ''), nullif($4, '')) AS words
), visible AS MATERIALIZED (
    SELECT m.conversation_id, replace(a.words, '@', search.scope(m.conversation_id))::tsquery AS query
      FROM inbox.members m CROSS JOIN terms a
     WHERE m.user_id = $1 AND m.removed_seq IS NULL AND ($2::uuid IS NULL OR m.conversation_id = $2)
), candidates AS MATERIALIZED (
    SELECT s.conversation_id, s.seq, s.sent_at, v.query
      FROM visible v
      JOIN search.messages s ON s.words @@ v.query AND s.conversation_id IS NOT DISTINCT FROM v.conversation_id
     WHERE ($5::uuid IS NULL OR s.author_id = $5) AND s.sent_at >= $6 AND s.sent_at < $7
       AND (s.sent_at, s.conversation_id, s.seq) < ($8, $9, $10)
       AND (s.sent_at, s.conversation_id, s.seq) >= ($11, $12, $13)
     ORDER BY s.sent_at DESC, s.conversation_id DESC, s.seq DESC
     LIMIT $14
), ranked AS MATERIALIZED (
    SELECT c.conversation_id, c.seq,
           ln(greatest(ts_rank_cd(s.words, c.query, 1), 1e-6)) / ln(2) + extract(epoch FROM c.sent_at)::float8 / (90 * 86400) AS score
      FROM candidates c
      JOIN search.messages s ON s.conversation_id = c.conversation_id AND s.seq = c.seq
)
SELECT r.conversation_id, r.seq, r.score, (SELECT count(*) FROM candidates),
       newest.sent_at, newest.conversation_id, newest.seq, oldest.sent_at, oldest.conversation_id, oldest.seq
  FROM ranked r
 CROSS JOIN (SELECT * FROM candidates ORDER BY sent_at DESC, conversation_id DESC, seq DESC LIMIT 1) AS newest
 CROSS JOIN (SELECT * FROM candidates ORDER BY sent_at, conversation_id, seq LIMIT 1) AS oldest
 WHERE (r.score, r.conversation_id, r.seq) < ($15::float8, $16::uuid, $17::bigint)
 ORDER BY r.score DESC, r.conversation_id DESC, r.seq DESC
 LIMIT $18`

// hit is a message that matches.
type hit struct {
	conversation   domain.ID
	seq            int64
	score          float64
	window         int // number of messages of its window
	newest, oldest sortKey
}

func scanHit(row pgx.CollectableRow) (h hit, err error) {
	return h, row.Scan(&h.conversation, &h.seq, &h.score, &h.window,
		&h.newest.sentAt, &h.newest.conversation, &h.newest.seq, &h.oldest.sentAt, &h.oldest.conversation, &h.oldest.seq)
}

// The messages of the hits, without those of conversations from which the caller was just removed.
var hitMessagesSQL = `
SELECT ` + messageColumns + `
  FROM unnest($2::uuid[], $3::bigint[]) AS h (conversation_id, seq)
  JOIN timeline.messages m ON m.conversation_id = h.conversation_id AND m.seq = h.seq
  JOIN inbox.conversations c ON c.id = h.conversation_id
 WHERE NOT ` + eventlog.RemovedSinceSQL("c.id", "c.last_seq", "$1")

type searchInput struct {
	Read
	Limit
	Query          string    `query:"q" required:"true" minLength:"1" maxLength:"200" doc:"The words that a message must have, in any order and case; the last one may be the beginning of a word. \"Words in quotes\" must follow one another. Chinese, Japanese, Korean, Thai and similar scripts, and emoji, match any part of the text."`
	ConversationID domain.ID `query:"conversation_id" doc:"Search this conversation only."`
	AuthorID       domain.ID `query:"author_id" doc:"Messages of this user only."`
	After          time.Time `query:"after" doc:"Messages sent at this time or later."`
	Before         time.Time `query:"before" doc:"Messages sent before this time."`
	Cursor         string    `query:"cursor" doc:"The next of the previous page; with the same q and filters."`
}

// FoundMessage is a match of a search.
type FoundMessage struct {
	Message    web.Message `json:"message"`
	Highlights []Highlight `json:"highlights" nullable:"false" doc:"The first 50 ranges of the body that match, in order."`
	Snippet    Snippet     `json:"snippet"`
}

// search finds messages in the conversations that the caller is in now. A page may have fewer items than its limit even
// if there is a next one. Messages sent between two pages neither repeat nor hide a match. A message edited between two
// pages may be missed or returned twice.
func (r *reads) search(ctx context.Context, in *searchInput) (*output[web.Page[FoundMessage]], error) {
	terms, err := parseTerms(in.Query)
	if err != nil {
		return nil, err
	}
	from, err := decodeSearchCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx, in.Read, inbox, timeline, search); err != nil {
		return nil, err
	}
	if !in.ConversationID.IsZero() {
		if err := r.requireMember(ctx, in.ConversationID); err != nil {
			return nil, err
		}
	}
	found := web.Page[FoundMessage]{Items: []FoundMessage{}}
	if len(terms) == 0 { // only punctuation
		return answer(found, nil)
	}
	hits, err := r.hits(ctx, in, terms, from)
	if err != nil {
		return nil, err
	}
	hits, found.Next = from.page(hits, in.Limit.Limit)
	found.Items, err = r.foundMessages(ctx, hits, terms)
	return answer(found, err)
}

// hits returns a page of hits, plus one if there are more.
func (r *reads) hits(ctx context.Context, in *searchInput, terms []term, from searchCursor) (hits []hit, err error) {
	words, runs := tsqueries(terms)
	before := in.Before
	if before.IsZero() {
		before = afterAll.sentAt
	}
	batch := &pgx.Batch{} // one round trip, and one transaction
	batch.Queue(`SELECT set_config('statement_timeout', $1, true)`, searchTimeout)
	batch.Queue(searchSQL, web.CallerFrom(ctx).UserID, orNull(in.ConversationID), words, runs,
		orNull(in.AuthorID), in.After, before,
		from.upper.sentAt, from.upper.conversation, from.upper.seq, from.lower.sentAt, from.lower.conversation, from.lower.seq,
		from.size(), from.score, from.last.conversation, from.last.seq, in.Limit.Limit+1)
	results := r.pool.SendBatch(ctx, batch)
	defer func() { err = tooBroad(errors.Join(err, results.Close())) }()
	if _, err := results.Exec(); err != nil {
		return nil, err
	}
	rows, _ := results.Query()
	return pgx.CollectRows(rows, scanHit)
}

func tooBroad(err error) error {
	const queryCanceled = "57014"
	if postgres.State(err) == queryCanceled {
		return errSearchTooBroad
	}
	return err
}

// foundMessages returns the messages of the hits, in their order. The timeline may have applied a deletion before the
// search index: messages that it has as deleted are omitted.
func (r *reads) foundMessages(ctx context.Context, hits []hit, terms []term) ([]FoundMessage, error) {
	found := make([]FoundMessage, 0, len(hits))
	if len(hits) == 0 {
		return found, nil
	}
	type key struct {
		conversation domain.ID
		seq          int64
	}
	conversations, seqs := make([]domain.ID, len(hits)), make([]int64, len(hits))
	for i, h := range hits {
		conversations[i], seqs[i] = h.conversation, h.seq
	}
	rows, _ := r.pool.Query(ctx, hitMessagesSQL, web.CallerFrom(ctx).UserID, conversations, seqs)
	messages := map[key]web.Message{}
	all, err := pgx.CollectRows(rows, scanMessage)
	if err != nil {
		return nil, err
	}
	for _, row := range all {
		m := row.message()
		messages[key{m.ConversationID, m.Seq}] = m
	}
	for _, h := range hits {
		m, ok := messages[key{h.conversation, h.seq}]
		if !ok || m.DeletedAt != nil {
			continue
		}
		highlights := highlight(m.Body, terms)
		found = append(found, FoundMessage{Message: m, Highlights: highlights, Snippet: snippet(m.Body, highlights)})
	}
	return found, nil
}

// orNull makes the zero ID null in Postgres.
func orNull(id domain.ID) *domain.ID {
	if id.IsZero() {
		return nil
	}
	return &id
}
