package projections

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/domain"
)

// The naive models walk the log event by event. What the tables hold after any
// batches must be what they say.

// lines are the rows of a query as text, in some order.
func lines(t require.TestingT, pool *pgxpool.Pool, sql string) []string {
	rows, _ := pool.Query(context.Background(), sql)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	slices.Sort(found)
	return found
}

func sorted(all []string) []string {
	slices.Sort(all)
	return all
}

// checkInbox compares unread counts, memberships, roles and names.
func checkInbox(t require.TestingT, pool *pgxpool.Pool, w *writer) {
	type key struct{ conversation, user domain.ID }
	type state struct {
		role   string
		member bool
		read   int64 // seq up to which all is read
	}
	type message struct {
		seq      int64
		author   domain.ID
		mentions []domain.ID
	}
	members := map[key]*state{}
	messages := map[domain.ID][]*message{}
	names, topics := map[domain.ID]string{}, map[domain.ID]string{}
	for _, r := range w.events {
		k := key{r.stream, r.actor}
		switch e := r.event.(type) {
		case domain.ConversationCreated:
			names[r.stream], topics[r.stream] = e.Name, ""
		case domain.ConversationRenamed:
			if e.Name != nil {
				names[r.stream] = *e.Name
			}
			if e.Topic != nil {
				topics[r.stream] = *e.Topic
			}
		case domain.MemberAdded:
			members[key{r.stream, e.UserID}] = &state{e.Role.String(), true, r.version}
		case domain.MemberRoleChanged:
			members[key{r.stream, e.UserID}].role = e.Role.String()
		case domain.MemberRemoved:
			members[key{r.stream, e.UserID}].member = false
		case domain.MessageSent:
			messages[r.stream] = append(messages[r.stream], &message{r.version, r.actor, e.Mentions})
			members[k].read = r.version
		case domain.ReadAdvanced:
			members[k].read = max(members[k].read, min(e.Seq, r.version))
		case domain.MessageDeleted:
			for _, m := range messages[r.stream] {
				if m.seq == e.MessageSeq {
					m.mentions = nil
				}
			}
		case domain.MemberErased:
			for _, m := range messages[r.stream] {
				if m.author == e.UserID {
					m.mentions = nil
				}
			}
		}
	}
	want := []string{}
	for k, s := range members {
		unread, mentions := 0, 0
		for _, m := range messages[k.conversation] {
			if m.seq > s.read {
				unread++
				if slices.Contains(m.mentions, k.user) {
					mentions++
				}
			}
		}
		if s.member {
			want = append(want, fmt.Sprintf("%s %s %s %d %d %d %d", k.conversation, k.user, s.role, s.read, unread, mentions, len(messages[k.conversation])))
		}
	}
	require.Equal(t, sorted(want), lines(t, pool, `
		SELECT concat_ws(' ', m.conversation_id, m.user_id, m.role, m.read_seq, c.last_ordinal - m.read_ordinal, (
		         SELECT count(*) FROM inbox.mentions x
		          WHERE x.conversation_id = m.conversation_id AND x.user_id = m.user_id AND x.seq > m.read_seq), c.last_ordinal)
		  FROM inbox.members m JOIN inbox.conversations c ON c.id = m.conversation_id
		 WHERE m.removed_seq IS NULL`))
	called := []string{}
	for id, name := range names {
		called = append(called, id.String()+" "+name+"/"+topics[id])
	}
	require.Equal(t, sorted(called), lines(t, pool, `SELECT id || ' ' || name || '/' || coalesce(topic, '') FROM inbox.conversations`))
	require.Empty(t, lines(t, pool, `
		SELECT id::text FROM inbox.conversations c
		 WHERE member_count <> (SELECT count(*) FROM inbox.members m WHERE m.conversation_id = c.id AND removed_seq IS NULL)`), "member_count")
}

// checkTimeline compares messages with all that was said of them.
func checkTimeline(t require.TestingT, pool *pgxpool.Pool, w *writer) {
	type place struct {
		conversation domain.ID
		seq          int64
	}
	type message struct {
		author          domain.ID
		body            string
		edited, deleted bool
		pinned          int64
		reactions       map[string]bool
	}
	all := map[place]*message{}
	// of applies what is said of a message, unless it is a tombstone.
	of := func(r recorded, ref domain.MessageRef, change func(*message)) {
		if m := all[place{r.stream, ref.MessageSeq}]; !m.deleted {
			change(m)
		}
	}
	entomb := func(m *message) { *m = message{author: m.author, deleted: true} }
	for _, r := range w.events {
		reaction := func(emoji string) string { return emoji + " " + r.actor.String() }
		switch e := r.event.(type) {
		case domain.MessageSent:
			all[place{r.stream, r.version}] = &message{author: r.actor, body: e.Body, reactions: map[string]bool{}}
		case domain.MessageEdited:
			of(r, e.MessageRef, func(m *message) { m.body, m.edited = e.Body, true })
		case domain.MessageDeleted:
			of(r, e.MessageRef, entomb)
		case domain.MessagePinned:
			of(r, e.MessageRef, func(m *message) { m.pinned = r.version })
		case domain.MessageUnpinned:
			of(r, e.MessageRef, func(m *message) { m.pinned = 0 })
		case domain.ReactionAdded:
			of(r, e.MessageRef, func(m *message) { m.reactions[reaction(e.Emoji)] = true })
		case domain.ReactionRemoved:
			of(r, e.MessageRef, func(m *message) { delete(m.reactions, reaction(e.Emoji)) })
		case domain.MemberErased:
			for at, m := range all {
				if at.conversation == r.stream && m.author == e.UserID && !m.deleted {
					entomb(m)
				}
			}
		}
	}
	want := []string{}
	for at, m := range all {
		var reactions []string
		for r := range m.reactions {
			reactions = append(reactions, r)
		}
		want = append(want, fmt.Sprintf("%s %d %s|%s|%t %t %d|%s", at.conversation, at.seq, m.author, m.body, m.edited, m.deleted, m.pinned, strings.Join(sorted(reactions), ",")))
	}
	require.Equal(t, sorted(want), lines(t, pool, `
		SELECT m.conversation_id || ' ' || m.seq || ' ' || m.author_id || '|' || m.body || '|' || (m.edited_at IS NOT NULL) || ' ' ||
		       (m.deleted_at IS NOT NULL) || ' ' || coalesce(m.pinned_seq, 0) || '|' || coalesce((
		         SELECT string_agg(r.emoji || ' ' || r.user_id, ',' ORDER BY (r.emoji || ' ' || r.user_id) COLLATE "C")
		           FROM timeline.reactions r WHERE r.conversation_id = m.conversation_id AND r.seq = m.seq), '')
		  FROM timeline.messages m`))
	require.Equal(t,
		lines(t, pool, `SELECT concat_ws(' ', conversation_id, seq, emoji, count(*)) FROM timeline.reactions GROUP BY conversation_id, seq, emoji`),
		lines(t, pool, `SELECT concat_ws(' ', conversation_id, seq, emoji, count) FROM timeline.reaction_counts`))
	require.Empty(t, lines(t, pool, `
		SELECT m.id::text FROM timeline.messages m
		 WHERE NOT m.reacted AND EXISTS (SELECT FROM timeline.reactions r WHERE r.conversation_id = m.conversation_id AND r.seq = m.seq)`), "reacted")
}

// checkDirectory compares profiles and blocks with what the domain folds.
func checkDirectory(t require.TestingT, pool *pgxpool.Pool, w *writer) {
	users := map[domain.ID]*domain.User{}
	for _, r := range w.events {
		if !strings.HasPrefix(r.event.Type(), "user.") {
			continue
		}
		if users[r.stream] == nil {
			users[r.stream] = domain.NewUser()
		}
		users[r.stream].Evolve(r.event)
	}
	profiles, blocks := []string{}, []string{}
	for id, u := range users {
		profiles = append(profiles, strings.Join([]string{id.String(), u.DisplayName, u.Handle, u.Bio, u.AvatarURL, fmt.Sprint(u.Erased)}, "|"))
		for blocked := range u.Blocked {
			blocks = append(blocks, id.String()+" "+blocked.String())
		}
	}
	require.Equal(t, sorted(profiles), lines(t, pool, `
		SELECT concat_ws('|', id, display_name, coalesce(handle, ''), coalesce(bio, ''), coalesce(avatar_url, ''), (erased_at IS NOT NULL)::text) FROM directory.users`))
	require.Equal(t, sorted(blocks), lines(t, pool, `SELECT user_id || ' ' || blocked_id FROM directory.blocks`))
}
