package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/e2e/harness"
	"ping/internal/erasure"
	"ping/internal/eventlog"
	"ping/internal/postgres"
	"ping/internal/testkit"
	"ping/projections"
)

// mark is in all that a person to be erased is called by and writes.
const mark = "zebra4711"

// writer is a log of its own, for what a test wants to happen without a
// request.
func writer(t *testing.T, w harness.World) (*eventlog.Log, *pgxpool.Pool) {
	t.Helper()
	pool, err := postgres.NewPool(t.Context(), w.Config.DatabaseURL, 0)
	require.NoError(t, err)
	nc, err := eventlog.Connect(w.Config.NATSURL)
	require.NoError(t, err)
	log, err := eventlog.Open(t.Context(), pool, nc, eventlog.Config{}, testkit.Logger(t))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- log.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		nc.Close()
		pool.Close()
	})
	return log, pool
}

func id(t *testing.T, s string) domain.ID {
	t.Helper()
	parsed, err := domain.ParseID(s)
	require.NoError(t, err)
	return parsed
}

// story is what happened before the erasure.
type story struct {
	world        harness.World
	one, other   string // nodes
	ada, bob     *harness.Client
	conversation map[string]string // by name
	sent         map[string]int    // how many messages each holds
}

// tell lets Ada write in a group, in one that she leaves, and to Bob directly;
// and edit, and give herself a profile.
func tell(t *testing.T, log *eventlog.Log, pool *pgxpool.Pool, w harness.World) story {
	s := story{world: w, one: harness.StartNode(t, w), other: harness.StartNode(t, w), conversation: map[string]string{}, sent: map[string]int{}}
	s.ada, s.bob = harness.Register(t, s.one, mark), harness.Register(t, s.other, "bob")
	for name, by := range map[string]*harness.Client{"crew": s.ada, "left": s.bob, "direct": s.ada} {
		body := map[string]any{"kind": "group", "name": name, "members": []string{s.ada.ID, s.bob.ID}}
		if name == "direct" {
			body = map[string]any{"kind": "direct", "members": []string{s.bob.ID}}
		}
		created := by.Call(t, "POST", "/v1/conversations", body)
		require.Equal(t, http.StatusCreated, created.Status, created.Body)
		s.conversation[name] = harness.Text(t, created.Body, "id")
	}
	for name, conversation := range s.conversation {
		for i := range 24 {
			author := []*harness.Client{s.ada, s.bob}[i%2]
			body := []string{"says " + mark, "I see"}[i%2]
			sent := author.Call(t, "POST", "/v1/conversations/"+conversation+"/messages", map[string]string{"body": fmt.Sprint(body, i)}, "Idempotency-Key", fmt.Sprint(i))
			require.Equal(t, http.StatusCreated, sent.Status, sent.Body)
			s.sent[name]++
			for edit := range i % 4 {
				s.edit(t, log, conversation, harness.Text(t, sent.Body, "id"), author, fmt.Sprintf("%s %d %s", "edited", edit, body))
			}
		}
	}
	require.Equal(t, http.StatusNoContent,
		s.ada.Call(t, "DELETE", "/v1/conversations/"+s.conversation["left"]+"/members/"+s.ada.ID, nil).Status)

	handle, bio, avatar := mark, "bio "+mark, "https://example.org/"+mark+".png"
	_, err := eventlog.Execute(t.Context(), log, eventlog.Users, eventlog.Command{Stream: id(t, s.ada.ID), Actor: id(t, s.ada.ID)},
		func(u *domain.User, _ int64) ([]domain.Event, error) {
			return u.ChangeProfile(domain.ChangeProfile{Handle: &handle, Bio: &bio, AvatarURL: &avatar})
		})
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `INSERT INTO identity.handles (handle, user_id) VALUES ($1, $2)`, handle, [16]byte(id(t, s.ada.ID)))
	require.NoError(t, err)
	return s
}

func (s story) edit(t *testing.T, log *eventlog.Log, conversation, message string, author *harness.Client, body string) {
	t.Helper()
	m, err := log.Message(t.Context(), id(t, conversation), id(t, message))
	require.NoError(t, err)
	actor := id(t, author.ID)
	_, err = eventlog.Execute(t.Context(), log, eventlog.Conversations, eventlog.Command{Stream: id(t, conversation), Actor: actor},
		func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
			return c.EditMessage(domain.EditMessage{Actor: actor, Message: m, Body: body})
		})
	require.NoError(t, err)
}

func TestErasure(t *testing.T) {
	t.Parallel() // it waits for most of its time
	w := harness.NewWorld(t)
	w.Config.Erasure = erasure.Config{Poll: 50 * time.Millisecond, Settle: time.Second}
	log, pool := writer(t, w)
	s := tell(t, log, pool, w)
	whispers := "/v1/conversations/" + s.conversation["crew"] + "/stealth"
	whispered := s.ada.Call(t, "POST", whispers, map[string]any{"body": "whispers " + mark, "ttl_seconds": 86400})
	require.Equal(t, http.StatusCreated, whispered.Status, whispered.Body)
	require.Len(t, s.bob.Call(t, "GET", whispers, nil).Body["items"], 1)
	awaitReadModels(t, pool)
	before := strings.Join(testkit.Marked(t, pool, w.Config.NATSURL, mark), "\n")
	for _, place := range []string{"log.events", "identity.credentials", "identity.handles", "timeline.", "directory.", "PING_E1_"} {
		require.Contains(t, before, place, "this test would find it")
	}
	erase := func() harness.Answer {
		return s.ada.Call(t, "DELETE", "/v1/users/me", map[string]string{"password": harness.Password})
	}
	require.Equal(t, http.StatusAccepted, erase().Status)
	require.Eventually(t, func() bool {
		var finished bool
		err := pool.QueryRow(t.Context(), `SELECT finished_at IS NOT NULL FROM identity.erasures`).Scan(&finished)
		return err == nil && finished
	}, 90*time.Second, 50*time.Millisecond)
	awaitReadModels(t, pool)

	t.Run("leaves nothing of the person anywhere", func(t *testing.T) {
		require.Empty(t, testkit.Marked(t, pool, w.Config.NATSURL, mark))
	})
	t.Run("takes back stealth messages that are alive", func(t *testing.T) {
		left := s.bob.Call(t, "GET", whispers, nil)
		require.Equal(t, http.StatusOK, left.Status, left.Body)
		require.Empty(t, left.Body["items"])
	})
	t.Run("leaves others their whole history", func(t *testing.T) {
		for name, conversation := range s.conversation {
			require.Len(t, pages(t, s.bob, "/v1/conversations/"+conversation+"/messages", "before"), s.sent[name], name)
			for i, event := range pages(t, s.bob, "/v1/conversations/"+conversation+"/events", "after") {
				require.EqualValues(t, i+1, event["seq"])
			}
		}
	})
	t.Run("leaves the log unbroken", func(t *testing.T) {
		var broken int
		require.NoError(t, pool.QueryRow(t.Context(), `
SELECT count(*) FROM (SELECT count(*) = max(position) AND min(position) = 1 AS sound FROM log.events GROUP BY partition
                      UNION ALL SELECT count(*) = max(version) FROM log.events GROUP BY stream) AS s WHERE NOT sound`).Scan(&broken))
		require.Zero(t, broken)
	})
	t.Run("replays all to a stream that resumes from the beginning", func(t *testing.T) {
		s.requireReplay(t)
	})
	t.Run("is done once", func(t *testing.T) {
		require.Equal(t, http.StatusUnauthorized, erase().Status)
	})
	t.Run("survives the loss of the mirror", func(t *testing.T) {
		s.loseMirror(t, pool)
		require.Empty(t, testkit.Marked(t, pool, w.Config.NATSURL, mark))
	})
	for _, projection := range projections.BuiltIn() {
		t.Run("survives a rebuild of "+projection.Name, func(t *testing.T) {
			live := content(t, pool, projection.Name)
			require.NoError(t, projections.Rebuild(t.Context(), pool, projection, func(int64, int64) {}))
			for table, rows := range content(t, pool, projection.Name) {
				for i, row := range rows {
					require.Equal(t, live[table][i], row, table)
				}
				require.Len(t, rows, len(live[table]), table)
			}
		})
	}
}

// awaitReadModels waits until all projections have applied the whole log.
func awaitReadModels(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	require.Eventually(t, func() bool {
		var behind int
		err := pool.QueryRow(t.Context(), `
SELECT count(*) FROM log.heads h JOIN projections.checkpoints c USING (partition) WHERE c.position < h.position`).Scan(&behind)
		return err == nil && behind == 0
	}, 30*time.Second, 10*time.Millisecond)
}

// pages reads all pages of a list, which next leads through.
func pages(t *testing.T, by *harness.Client, path, parameter string) (items []map[string]any) {
	t.Helper()
	for cursor := ""; ; {
		page := by.Call(t, "GET", path+"?limit=7"+cursor, nil)
		require.Equal(t, http.StatusOK, page.Status, page.Body)
		for _, item := range page.Body["items"].([]any) {
			items = append(items, item.(map[string]any))
		}
		next, more := page.Body["next"].(string)
		if !more {
			return items
		}
		cursor = "&" + parameter + "=" + next
	}
}

// requireReplay resumes a socket of Bob from the start of the log, and verifies that
// each of Bob's conversations is replayed without a gap.
func (s story) requireReplay(t *testing.T) {
	ws := harness.OpenSocket(t, s.other, s.bob)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, ws.Write(ctx, websocket.MessageText, []byte(`{"type":"resume","at":["0:0"]}`)))
	seqs := map[string]int64{}
	for {
		_, content, err := ws.Read(ctx)
		require.NoError(t, err)
		require.NotContains(t, string(content), mark)
		var frame struct {
			Type         string
			Conversation string `json:"conversation_id"`
			Seq          int64
		}
		require.NoError(t, json.Unmarshal(content, &frame))
		switch frame.Type {
		case "event":
			if last, begun := seqs[frame.Conversation]; begun {
				require.Equal(t, last+1, frame.Seq)
			} else if frame.Conversation != "" {
				require.Contains(t, string(content), `"event":"member.added"`, "his history begins with him")
			}
			seqs[frame.Conversation] = frame.Seq
		case "resumed":
			for name, conversation := range s.conversation {
				events := pages(t, s.bob, "/v1/conversations/"+conversation+"/events", "after")
				require.EqualValues(t, len(events), seqs[conversation], name)
			}
			return
		default:
			require.NotEqual(t, "gap", frame.Type)
		}
	}
}

// loseMirror deletes JetStream's streams and waits until they are filled again.
func (s story) loseMirror(t *testing.T, pool *pgxpool.Pool) {
	nc, err := nats.Connect(s.world.Config.NATSURL)
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	rows, _ := pool.Query(t.Context(), `SELECT position FROM log.heads ORDER BY partition`)
	heads, err := pgx.CollectRows(rows, pgx.RowTo[uint64])
	require.NoError(t, err)
	for partition := range heads {
		require.NoError(t, js.DeleteStream(t.Context(), fmt.Sprintf("PING_E1_P%02d", partition)))
	}
	for partition, head := range heads {
		require.Eventually(t, func() bool {
			stream, err := js.Stream(t.Context(), fmt.Sprintf("PING_E1_P%02d", partition))
			return err == nil && stream.CachedInfo().State.LastSeq == head && stream.CachedInfo().State.Msgs == head
		}, 30*time.Second, 10*time.Millisecond, "partition %d", partition)
	}
}

// content returns all rows of all tables of a schema, as text.
func content(t *testing.T, pool *pgxpool.Pool, schema string) map[string][]string {
	t.Helper()
	rows, _ := pool.Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = $1`, schema)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	all := map[string][]string{}
	for _, table := range tables {
		rows, _ := pool.Query(t.Context(), `SELECT t::text FROM `+pgx.Identifier{schema, table}.Sanitize()+` AS t ORDER BY 1`)
		all[table], err = pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
	}
	return all
}
