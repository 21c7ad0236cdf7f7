package eventlog_test

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

// TestLookupPlans explains the look-ups of decisions over a log of 20,000 events:
// each uses its own index, whatever statistics Postgres has.
func TestLookupPlans(t *testing.T) {
	pool := testkit.Pool(t)
	_, err := pool.Exec(t.Context(), `
		INSERT INTO log.events (partition, position, stream, version, id, type, schema, decisive, recorded_at, actor, command_id, ordinal, fingerprint, payload)
		SELECT 200, n, s.stream, n, md5('m' || n)::uuid, s.type, 1, false, now(), s.actor, md5('k' || n)::uuid, 0, 0, s.payload
		  FROM generate_series(1, 20000) n
		 CROSS JOIN LATERAL (
		       SELECT CASE WHEN n <= 2000 THEN 'message.sent'
		                   ELSE (ARRAY['message.edited', 'message.deleted', 'message.pinned', 'message.unpinned', 'reaction.added', 'reaction.removed',
		                               'read.advanced', 'user.blocked', 'user.unblocked', 'member.added'])[n % 10 + 1] END AS type,
		              md5('c' || n % 50)::uuid AS conversation, md5('u' || n % 97)::uuid AS someone) AS d
		 CROSS JOIN LATERAL (
		       SELECT d.type, CASE WHEN d.type LIKE 'user.%' THEN d.someone ELSE d.conversation END AS stream, d.someone AS actor,
		              CASE WHEN d.type = 'message.sent' THEN '{"body":"hello"}'::json
		                   ELSE json_build_object('message_id', md5('m' || n / 10), 'message_seq', n / 10, 'emoji', '👍', 'seq', n, 'body', 'edited',
		                                          'user_id', md5('u' || n % 89)) END AS payload) AS s`)
	require.NoError(t, err)
	for _, analyzed := range []bool{false, true} { // a new log has no statistics yet
		if analyzed {
			_, err := pool.Exec(t.Context(), `ANALYZE log.events`)
			require.NoError(t, err)
		}
		for name, query := range eventlog.LookupQueries() {
			for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
				plan := explain(t, pool, mode, query)
				require.NotContains(t, plan, "Seq Scan", "%s, %s, analyzed %t:\n%s", name, mode, analyzed, plan)
				require.Contains(t, plan, query.Index+" ", "%s, %s, analyzed %t:\n%s", name, mode, analyzed, plan)
				for _, read := range rowsRead.FindAllStringSubmatch(plan, -1) {
					n, err := strconv.Atoi(read[1])
					require.NoError(t, err)
					require.Less(t, n, 100, "%s, %s, analyzed %t:\n%s", name, mode, analyzed, plan)
				}
			}
		}
	}
}

var rowsRead = regexp.MustCompile(`(?:actual time=\S+ rows=|Rows Removed by \w+(?: Recheck| Filter)?: )(\d+)`)

// explain runs a query as a prepared statement, as the pool does, and returns the
// plan that was used.
func explain(t *testing.T, pool *pgxpool.Pool, mode string, query eventlog.LookupQuery) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pool.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	simple := pgx.QueryExecModeSimpleProtocol // nothing but the query itself is prepared
	_, err = conn.Exec(ctx, `SET plan_cache_mode = `+mode+`; PREPARE lookup AS `+query.SQL, simple)
	require.NoError(t, err)
	rows, err := conn.Query(ctx, `EXPLAIN ANALYZE EXECUTE lookup(`+query.Arguments+`)`, simple)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	_, err = conn.Exec(ctx, `DEALLOCATE lookup; RESET plan_cache_mode`, simple)
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

// record appends events as they are to a stream.
func (n *node) record(t *testing.T, stream, actor domain.ID, events ...domain.Event) {
	t.Helper()
	_, err := n.do(t.Context(), eventlog.Command{Stream: stream, Actor: actor}, func(*domain.Conversation, int64) ([]domain.Event, error) {
		return events, nil
	})
	require.NoError(t, err)
}

func TestLookups(t *testing.T) {
	n := open(t, testkit.Pool(t), testkit.NATS(t).ClientURL())
	ctx := t.Context()
	group, other, ann, bob := eventlog.NewID(), eventlog.NewID(), eventlog.NewID(), eventlog.NewID()
	n.createGroup(t, group, ann, bob)
	n.createGroup(t, other, bob)
	sent, neighbour := n.mustSend(t, group, ann, "hello"), n.mustSend(t, group, bob, "hello, too")
	ref := domain.MessageRef{MessageID: sent.ID, MessageSeq: sent.Version}

	t.Run("a message, as its last events have it", func(t *testing.T) {
		want := domain.Message{MessageRef: ref, Author: ann, Body: "hello"}
		is := func() {
			t.Helper()
			m, err := n.Message(ctx, group, sent.ID)
			require.NoError(t, err)
			require.Equal(t, want, m)
		}
		is()
		n.record(t, group, ann, domain.MessageEdited{MessageRef: ref, Body: "first"}, domain.MessageEdited{MessageRef: ref, Body: "then"})
		want.Body = "then"
		is()
		for _, e := range []domain.Event{domain.MessagePinned{MessageRef: ref}, domain.MessageUnpinned{MessageRef: ref}, domain.MessagePinned{MessageRef: ref}} {
			n.record(t, group, ann, e)
			_, want.Pinned = e.(domain.MessagePinned)
			is()
		}
		n.record(t, group, ann, domain.MessageDeleted{MessageRef: ref}, domain.MessageEdited{MessageRef: ref, Body: "late"})
		want.Deleted, want.Body = true, "late"
		is()
		m, err := n.Message(ctx, group, neighbour.ID)
		require.NoError(t, err)
		require.Equal(t, domain.Message{MessageRef: domain.MessageRef{MessageID: neighbour.ID, MessageSeq: neighbour.Version}, Author: bob, Body: "hello, too"}, m)
	})
	t.Run("no message", func(t *testing.T) {
		events, err := n.ReadStream(ctx, group, 0, 1)
		require.NoError(t, err)
		for id, conversation := range map[domain.ID]domain.ID{eventlog.NewID(): group, sent.ID: other, events[0].ID: group} {
			m, err := n.Message(ctx, conversation, id)
			require.NoError(t, err)
			require.Zero(t, m)
		}
	})
	t.Run("a reaction", func(t *testing.T) {
		is := func(want bool, message, user domain.ID, emoji string) {
			t.Helper()
			got, _, err := n.Reactions(ctx, message, user, emoji)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		has := func(want int) {
			t.Helper()
			_, mine, err := n.Reactions(ctx, sent.ID, ann, "👍")
			require.NoError(t, err)
			require.Equal(t, want, mine)
		}
		is(false, sent.ID, ann, "👍")
		n.record(t, group, ann, domain.ReactionAdded{MessageRef: ref, Emoji: "👍"})
		is(true, sent.ID, ann, "👍")
		is(false, sent.ID, bob, "👍")
		is(false, sent.ID, ann, "🎉")
		is(false, neighbour.ID, ann, "👍")
		n.record(t, group, ann, domain.ReactionAdded{MessageRef: ref, Emoji: "🎉"})
		has(2)
		n.record(t, group, ann, domain.ReactionRemoved{MessageRef: ref, Emoji: "👍"})
		is(false, sent.ID, ann, "👍")
		has(1)
		for range 300 { // beyond 500 events the bound is the answer
			n.record(t, group, ann, domain.ReactionAdded{MessageRef: ref, Emoji: "👍"}, domain.ReactionRemoved{MessageRef: ref, Emoji: "👍"})
		}
		has(500)
		is(false, sent.ID, ann, "👍")
		is(true, sent.ID, ann, "🎉")
	})
	t.Run("a read marker", func(t *testing.T) {
		is := func(want int64, conversation, user domain.ID) {
			t.Helper()
			got, err := n.ReadMarker(ctx, conversation, user)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		is(0, group, ann)
		n.record(t, group, ann, domain.ReadAdvanced{Seq: 3})
		n.record(t, group, ann, domain.ReadAdvanced{Seq: 5})
		is(5, group, ann)
		is(0, group, bob)
		is(0, other, ann)
	})
	t.Run("a block in either direction", func(t *testing.T) {
		is := func(want bool, a, b domain.ID) {
			t.Helper()
			for _, pair := range [][2]domain.ID{{a, b}, {b, a}} {
				got, err := n.Blocked(ctx, pair[0], pair[1])
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		}
		is(false, ann, bob)
		n.record(t, ann, ann, domain.UserBlocked{UserID: bob})
		is(true, ann, bob)
		is(false, ann, other)
		n.record(t, bob, bob, domain.UserBlocked{UserID: ann})
		n.record(t, ann, ann, domain.UserUnblocked{UserID: bob})
		is(true, ann, bob)
		n.record(t, bob, bob, domain.UserUnblocked{UserID: ann})
		is(false, ann, bob)
	})
	t.Run("current and past memberships, in pages", func(t *testing.T) {
		n.removeMember(t, group, ann, bob)
		_, err := n.addMember(ctx, group, ann, bob, "")
		require.NoError(t, err)
		n.removeMember(t, group, ann, bob)
		want := []domain.ID{group, other}
		slices.SortFunc(want, func(a, b domain.ID) int { return bytes.Compare(a[:], b[:]) })
		got, err := n.JoinedConversations(ctx, bob, domain.ID{}, 100)
		require.NoError(t, err)
		require.Equal(t, want, got)
		first, err := n.JoinedConversations(ctx, bob, domain.ID{}, 1)
		require.NoError(t, err)
		second, err := n.JoinedConversations(ctx, bob, first[0], 1)
		require.NoError(t, err)
		require.Equal(t, want, append(first, second...))
		nobody, err := n.JoinedConversations(ctx, eventlog.NewID(), domain.ID{}, 100)
		require.NoError(t, err)
		require.Empty(t, nobody)
	})
}
