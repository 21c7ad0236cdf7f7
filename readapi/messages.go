package readapi

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

// messageColumns select a message of timeline.messages m as the user $1 sees it. Its reactions are sorted by emoji.
const messageColumns = `m.conversation_id, m.seq, m.id, m.author_id, m.sent_at, m.reply_to, m.body,
	m.mentions, m.edited_at, m.deleted_at, m.pinned_seq, CASE WHEN m.reacted THEN (
		SELECT json_agg(r) FROM (
			SELECT x.emoji, x.count, EXISTS (
			       SELECT FROM timeline.reactions y
			        WHERE y.conversation_id = x.conversation_id AND y.seq = x.seq AND y.emoji = x.emoji AND y.user_id = $1) AS mine
			  FROM timeline.reaction_counts x
			 WHERE x.conversation_id = m.conversation_id AND x.seq = m.seq
			 ORDER BY x.emoji) AS r) END`

// messageRow is what messageColumns select.
type messageRow struct {
	conversation        *domain.ID // null if an outer join found no message
	seq                 *int64
	id, author          *domain.ID
	sentAt              *time.Time
	replyTo             *domain.ID
	body                *string
	mentions            []domain.ID
	editedAt, deletedAt *time.Time
	pinnedSeq           *int64
	reactions           []web.Reaction
}

func (m *messageRow) targets() []any {
	return []any{&m.conversation, &m.seq, &m.id, &m.author, &m.sentAt, &m.replyTo, &m.body,
		&m.mentions, &m.editedAt, &m.deletedAt, &m.pinnedSeq, &m.reactions}
}

func scanMessage(row pgx.CollectableRow) (m messageRow, err error) {
	return m, row.Scan(m.targets()...)
}

// message makes the contract's message of a row that has one.
func (m messageRow) message() web.Message {
	message := web.Message{
		ID: *m.id, ConversationID: *m.conversation, Seq: *m.seq, AuthorID: *m.author, Body: *m.body,
		ReplyTo: m.replyTo, Mentions: m.mentions, Reactions: m.reactions,
		EditedAt: utc(m.editedAt), DeletedAt: utc(m.deletedAt), SentAt: m.sentAt.UTC(), Pinned: m.pinnedSeq != nil,
	}
	if message.Mentions == nil {
		message.Mentions = []domain.ID{}
	}
	if message.Reactions == nil {
		message.Reactions = []web.Reaction{}
	}
	return message
}

// utc returns the time in UTC, as the contract writes times.
func utc(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	in := at.UTC()
	return &in
}

const (
	messagesBeforeSQL = `
SELECT ` + messageColumns + ` FROM timeline.messages m
 WHERE m.conversation_id = $2 AND m.seq < $3 ORDER BY m.seq DESC LIMIT $4`

	messagesAfterSQL = `
SELECT ` + messageColumns + ` FROM timeline.messages m
 WHERE m.conversation_id = $2 AND m.seq > $3 ORDER BY m.seq LIMIT $4`
)

type listMessagesInput struct {
	Read
	Limit
	ConversationID domain.ID `path:"conversation_id"`
	Before         string    `query:"before" doc:"A cursor; the page has the next older messages."`
	After          string    `query:"after" doc:"A cursor; the page has the next newer messages."`
	Around         int64     `query:"around" minimum:"1" doc:"A seq; the page has the message with it, or the last one before it, and messages on both sides."`
}

// MessagePage is a page of history, newest first in both directions.
type MessagePage struct {
	Items    []web.Message `json:"items" nullable:"false"`
	Next     *string       `json:"next" doc:"Continues in the same direction: pass it as after if this page was requested with after, else as before. Null at the end."`
	Previous *string       `json:"previous" doc:"Reverses the direction: pass it as before if this page was requested with after, else as after. It also finds messages that are sent later. Null on an empty page."`
}

var errOneDirection = &domain.Error{Kind: domain.Unprocessable, Code: "validation", Message: "Send at most one of before, after and around."}

func (r *reads) listMessages(ctx context.Context, in *listMessagesInput) (*output[MessagePage], error) {
	directions := 0
	for _, given := range []bool{in.Before != "", in.After != "", in.Around != 0} {
		if given {
			directions++
		}
	}
	if directions > 1 {
		return nil, errOneDirection
	}
	from, err := messageCursor(in.Before + in.After)
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx, in.Read, inbox, timeline); err != nil {
		return nil, err
	}
	var p MessagePage
	switch {
	case in.After != "":
		p, err = r.messagesAfter(ctx, in.ConversationID, from, in.Limit.Limit)
	case in.Around != 0:
		p, err = r.messagesAround(ctx, in.ConversationID, in.Around, in.Limit.Limit)
	default:
		p, err = r.messagesBefore(ctx, in.ConversationID, from, in.Limit.Limit)
	}
	if err == nil {
		err = r.requireMember(ctx, in.ConversationID)
	}
	return answer(p, err)
}

// messageCursor returns the seq of a cursor; without a cursor, one after all messages.
func messageCursor(cursor string) (int64, error) {
	if cursor == "" {
		return math.MaxInt64, nil
	}
	keys, err := decodeCursor("messages", cursor, 1)
	if err != nil {
		return 0, err
	}
	seq, err := strconv.ParseInt(keys[0], 10, 64)
	if err != nil {
		return 0, errCursor
	}
	return seq, nil
}

func cursorAt(seq int64) *string {
	cursor := encodeCursor("messages", strconv.FormatInt(seq, 10))
	return &cursor
}

func (r *reads) messages(ctx context.Context, sql string, conversation domain.ID, seq int64, limit int) ([]web.Message, error) {
	found, _ := r.pool.Query(ctx, sql, web.CallerFrom(ctx).UserID, conversation, seq, limit)
	return pgx.CollectRows(found, func(row pgx.CollectableRow) (web.Message, error) {
		m, err := scanMessage(row)
		if err != nil {
			return web.Message{}, err
		}
		return m.message(), nil
	})
}

func (r *reads) messagesBefore(ctx context.Context, conversation domain.ID, seq int64, limit int) (MessagePage, error) {
	return r.messagePage(ctx, messagesBeforeSQL, conversation, seq, limit)
}

func (r *reads) messagesAfter(ctx context.Context, conversation domain.ID, seq int64, limit int) (MessagePage, error) {
	p, err := r.messagePage(ctx, messagesAfterSQL, conversation, seq, limit)
	slices.Reverse(p.Items)
	return p, err
}

// messagePage reads a page in the order of the statement, with its cursors.
func (r *reads) messagePage(ctx context.Context, sql string, conversation domain.ID, seq int64, limit int) (p MessagePage, err error) {
	if p.Items, err = r.messages(ctx, sql, conversation, seq, limit+1); err != nil {
		return p, err
	}
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		p.Next = cursorAt(p.Items[limit-1].Seq)
	}
	if len(p.Items) > 0 {
		p.Previous = cursorAt(p.Items[0].Seq)
	}
	return p, nil
}

// messagesAround fills up to half of the page with messages newer than seq, and the rest with others.
func (r *reads) messagesAround(ctx context.Context, conversation domain.ID, seq int64, limit int) (MessagePage, error) {
	newer, err := r.messages(ctx, messagesAfterSQL, conversation, seq, limit/2)
	if err != nil {
		return MessagePage{}, err
	}
	older, err := r.messagesBefore(ctx, conversation, min(seq, math.MaxInt64-1)+1, limit-len(newer))
	if err != nil || len(newer) == 0 {
		return older, err
	}
	slices.Reverse(newer)
	older.Previous = cursorAt(newer[0].Seq)
	older.Items = append(newer, older.Items...)
	return older, nil
}

// The log has an index of ids; the timeline needs none for this one read.
var getMessageSQL = `
SELECT ` + messageColumns + `
  FROM timeline.messages m
 WHERE m.conversation_id = $3 AND m.seq = ` + eventlog.VersionSQL("$3", "$2")

type getMessageInput struct {
	Read
	Conditional
	ConversationID domain.ID `path:"conversation_id"`
	MessageID      domain.ID `path:"message_id"`
}

func (r *reads) getMessage(ctx context.Context, in *getMessageInput) (*tagged[web.Message], error) {
	if err := r.wait(ctx, in.Read, inbox, timeline); err != nil {
		return nil, err
	}
	m, err := r.message(ctx, web.CallerFrom(ctx).UserID, in.ConversationID, in.MessageID)
	if err == nil || errors.Is(err, domain.ErrMessageNotFound) {
		err = cmp.Or(r.requireMember(ctx, in.ConversationID), err)
	}
	return tag(in.IfNoneMatch, m, err)
}

func (r *reads) message(ctx context.Context, user, conversation, id domain.ID) (web.Message, error) {
	found, _ := r.pool.Query(ctx, getMessageSQL, user, id, conversation)
	m, err := pgx.CollectExactlyOneRow(found, scanMessage)
	if errors.Is(err, pgx.ErrNoRows) {
		err = domain.ErrMessageNotFound
	}
	if err != nil {
		return web.Message{}, err
	}
	return m.message(), nil
}
