package readapi

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/web"
)

// A conversation's last message is the timeline's newest that the inbox has
// counted too: the two are applied apart.
const conversationColumns = `
	c.id, c.kind, c.name, c.created_at, c.member_count, c.last_seq, c.unread, c.role, c.active_at,
	t.seq, t.id, t.author_id, t.sent_at, t.reply_to, t.body`

const lastMessageJoin = `
  LEFT JOIN LATERAL (
        SELECT * FROM timeline.messages m
         WHERE m.conversation_id = c.id AND m.seq <= c.last_seq
         ORDER BY m.seq DESC LIMIT 1) AS t ON true`

// conversationRow is what conversationColumns select.
type conversationRow struct {
	web.Conversation
	activeAt time.Time
}

func scanConversation(row pgx.CollectableRow) (c conversationRow, err error) {
	var id [16]byte
	var role string
	var m messageRow
	var seq *int64
	var messageID, author *[16]byte
	var sentAt *time.Time
	var body *string
	err = row.Scan(&id, &c.Kind, &c.Name, &c.CreatedAt, &c.MemberCount, &c.LastSeq, &c.UnreadCount, &role, &c.activeAt,
		&seq, &messageID, &author, &sentAt, &m.replyTo, &body)
	if err != nil {
		return c, err
	}
	c.ID, c.CreatedAt = id, c.CreatedAt.UTC()
	if seq != nil {
		m.conversation, m.seq, m.id, m.author, m.sentAt, m.body = id, *seq, *messageID, *author, *sentAt, *body
		last := m.message()
		c.LastMessage = &last
	}
	return c, c.Role.UnmarshalText([]byte(role))
}

// A user's conversations are all looked at and the newest taken: no row a
// member changes with each message, which is what an index by activity would
// need. OFFSET 0 keeps the planner to looking them up one by one.
const listConversationsSQL = `
SELECT ` + conversationColumns + `
  FROM (SELECT c.*, m.role, c.last_ordinal - m.read_ordinal AS unread
          FROM inbox.members m
         CROSS JOIN LATERAL (SELECT * FROM inbox.conversations WHERE id = m.conversation_id OFFSET 0) AS c
         WHERE m.user_id = $1 AND m.removed_seq IS NULL AND (c.active_at, c.id) < ($2, $3)
         ORDER BY c.active_at DESC, c.id DESC
         LIMIT $4) AS c` + lastMessageJoin + `
 ORDER BY c.active_at DESC, c.id DESC`

type listConversationsInput struct {
	Read
	Limit
	Cursor string `query:"cursor" doc:"The next of the page before."`
}

func (r *reads) listConversations(ctx context.Context, in *listConversationsInput) (*output[web.Page[web.Conversation]], error) {
	before, id, err := inboxCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx, in.Read, inbox, timeline); err != nil {
		return nil, err
	}
	found, _ := r.pool.Query(ctx, listConversationsSQL, uid(web.CallerFrom(ctx).UserID), before, uid(id), in.Limit.Limit+1)
	rows, err := pgx.CollectRows(found, scanConversation)
	return answer(page(rows, in.Limit.Limit, func(c conversationRow) web.Conversation { return c.Conversation },
		func(c conversationRow) string {
			return encodeCursor("inbox", strconv.FormatInt(c.activeAt.UnixMicro(), 10), c.ID.String())
		}), err)
}

// inboxCursor returns the activity and the id that a page's items come before.
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

// maxMicros keeps a made-up cursor within what Postgres takes for a time.
const maxMicros = 253_370_764_800_000_000 // the year 9999

const getConversationSQL = `
SELECT ` + conversationColumns + `
  FROM (SELECT c.*, m.role, c.last_ordinal - m.read_ordinal AS unread
          FROM inbox.members m
          JOIN inbox.conversations c ON c.id = m.conversation_id
         WHERE m.user_id = $1 AND m.conversation_id = $2 AND m.removed_seq IS NULL) AS c` + lastMessageJoin

type getConversationInput struct {
	Read
	ConversationID domain.ID `path:"conversation_id"`
}

func (r *reads) getConversation(ctx context.Context, in *getConversationInput) (*output[web.Conversation], error) {
	if err := r.wait(ctx, in.Read, inbox, timeline); err != nil {
		return nil, err
	}
	return answer(r.conversation(ctx, web.CallerFrom(ctx).UserID, in.ConversationID))
}

func (r *reads) conversation(ctx context.Context, user, id domain.ID) (web.Conversation, error) {
	found, _ := r.pool.Query(ctx, getConversationSQL, uid(user), uid(id))
	rows, err := pgx.CollectRows(found, scanConversation)
	if err == nil && len(rows) == 0 {
		err = domain.ErrConversationNotFound
	}
	if err != nil {
		return web.Conversation{}, err
	}
	return rows[0].Conversation, nil
}
