package readapi

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

// A conversation's last message is the newest of the timeline that the inbox has counted too: the two read models are
// applied separately.
var conversationColumns = `
	c.id, c.kind, c.name, c.topic, c.created_at, c.member_count, c.last_seq, c.read_seq, c.unread, c.role, c.active_at,
	CASE c.kind WHEN 'direct' THEN (
		SELECT p.user_id FROM inbox.members p WHERE p.conversation_id = c.id AND p.user_id <> $1 LIMIT 1) END,
	(SELECT count(*) FROM inbox.mentions x WHERE x.conversation_id = c.id AND x.user_id = $1 AND x.seq > c.read_seq),
	` + eventlog.RemovedSinceSQL("c.id", "c.last_seq", "$1") + `, ` + messageColumns

const lastMessageJoin = `
  LEFT JOIN LATERAL (
        SELECT * FROM timeline.messages t
         WHERE t.conversation_id = c.id AND t.seq <= c.last_seq
         ORDER BY t.seq DESC LIMIT 1) AS m ON true`

// conversationRow is what conversationColumns select.
type conversationRow struct {
	web.Conversation
	activeAt time.Time
	removed  bool // the caller was removed, which the inbox does not have yet
}

func scanConversation(row pgx.CollectableRow) (c conversationRow, err error) {
	var role string
	var m messageRow
	err = row.Scan(append([]any{&c.ID, &c.Kind, &c.Name, &c.Topic, &c.CreatedAt, &c.MemberCount, &c.LastSeq, &c.ReadSeq,
		&c.UnreadCount, &role, &c.activeAt, &c.PeerID, &c.UnreadMentions, &c.removed}, m.targets()...)...)
	if err != nil {
		return c, err
	}
	c.CreatedAt = c.CreatedAt.UTC()
	if m.id != nil {
		last := m.message()
		c.LastMessage = &last
	}
	return c, c.Role.UnmarshalText([]byte(role))
}

// All conversations of a user are read and the newest taken. An index by activity would change one row per member with
// each message. OFFSET 0 makes the planner look them up one by one.
var listConversationsSQL = `
SELECT ` + conversationColumns + `
  FROM (SELECT c.*, m.role, m.read_seq, c.last_ordinal - m.read_ordinal AS unread
          FROM inbox.members m
         CROSS JOIN LATERAL (SELECT * FROM inbox.conversations WHERE id = m.conversation_id OFFSET 0) AS c
         WHERE m.user_id = $1 AND m.removed_seq IS NULL AND (c.active_at, c.id) < ($2, $3)
         ORDER BY c.active_at DESC, c.id DESC
         LIMIT $4) AS c` + lastMessageJoin + `
 ORDER BY c.active_at DESC, c.id DESC`

type listConversationsInput struct {
	Read
	Limit
	Cursor string `query:"cursor" doc:"The next of the previous page."`
}

func (r *reads) listConversations(ctx context.Context, in *listConversationsInput) (*output[web.Page[web.Conversation]], error) {
	before, id, err := inboxCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx, in.Read, inbox, timeline); err != nil {
		return nil, err
	}
	found, _ := r.pool.Query(ctx, listConversationsSQL, web.CallerFrom(ctx).UserID, before, id, in.Limit.Limit+1)
	rows, err := pgx.CollectRows(found, scanConversation)
	p := page(rows, in.Limit.Limit, func(c conversationRow) conversationRow { return c }, func(c conversationRow) string {
		return encodeCursor("inbox", strconv.FormatInt(c.activeAt.UnixMicro(), 10), c.ID.String())
	})
	items := make([]web.Conversation, 0, len(p.Items))
	for _, c := range p.Items {
		if !c.removed {
			items = append(items, c.Conversation)
		}
	}
	return answer(web.Page[web.Conversation]{Items: items, Next: p.Next}, err)
}

// inboxCursor returns the activity and the id that precede a page: its items are older.
func inboxCursor(cursor string) (before time.Time, id domain.ID, err error) {
	if cursor == "" {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), id, nil
	}
	keys, err := decodeCursor("inbox", cursor, 2)
	if err != nil {
		return before, id, err
	}
	micros, err := strconv.ParseInt(keys[0], 10, 64)
	if err != nil || id.UnmarshalText([]byte(keys[1])) != nil || micros < 0 || micros > maxMicros {
		return before, id, errCursor
	}
	return time.UnixMicro(micros).UTC(), id, nil
}

// maxMicros keeps the time of a forged cursor within what Postgres accepts.
const maxMicros = 253_370_764_800_000_000 // the year 9999

var getConversationSQL = `
SELECT ` + conversationColumns + `
  FROM (SELECT c.*, m.role, m.read_seq, c.last_ordinal - m.read_ordinal AS unread
          FROM inbox.members m
          JOIN inbox.conversations c ON c.id = m.conversation_id
         WHERE m.user_id = $1 AND m.conversation_id = $2 AND m.removed_seq IS NULL) AS c` + lastMessageJoin

type getConversationInput struct {
	Read
	Conditional
	ConversationID domain.ID `path:"conversation_id"`
}

func (r *reads) getConversation(ctx context.Context, in *getConversationInput) (*tagged[web.Conversation], error) {
	if err := r.wait(ctx, in.Read, inbox, timeline); err != nil {
		return nil, err
	}
	c, err := r.conversation(ctx, web.CallerFrom(ctx).UserID, in.ConversationID)
	return tag(in.IfNoneMatch, c, err)
}

func (r *reads) conversation(ctx context.Context, user, id domain.ID) (web.Conversation, error) {
	found, _ := r.pool.Query(ctx, getConversationSQL, user, id)
	rows, err := pgx.CollectRows(found, scanConversation)
	if err == nil && (len(rows) == 0 || rows[0].removed) {
		err = domain.ErrConversationNotFound
	}
	if err != nil {
		return web.Conversation{}, err
	}
	return rows[0].Conversation, nil
}
