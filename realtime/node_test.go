package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/devservices"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
	"ping/internal/testkit"
	"ping/internal/web"
	"ping/realtime/contract/contracttest"
	"ping/realtime/protocol"
)

func TestMain(m *testing.M) {
	if os.Getenv(crowdVariable) != "" {
		runCrowd()
		return
	}
	testkit.Main(m)
}

// world is what the nodes of one test share.
type world struct {
	t       testing.TB
	pool    *pgxpool.Pool
	nats    *devservices.NATS
	tokens  *auth.Tokens
	tickets *auth.Tickets
	redis   *redis.Client
}

func newWorld(t testing.TB) *world {
	tokens, err := auth.NewTokens([]byte(strings.Repeat("s", 32)), time.Now)
	require.NoError(t, err)
	rdb := testkit.Redis(t)
	return &world{t: t, pool: testkit.Pool(t), nats: testkit.NATS(t), tokens: tokens, tickets: auth.NewTickets(rdb), redis: rdb}
}

// node is a server: a log, a hub and HTTP.
type node struct {
	*world
	log   *eventlog.Log
	hub   *Hub
	store *ephemeral.Store
	url   string
	stop  func()
}

func (w *world) start(cfg Config) *node { return w.startOn(eventlog.Config{}, cfg) }

// startOn is start for who sets the log too.
func (w *world) startOn(logConfig eventlog.Config, cfg Config) *node {
	t := w.t
	t.Helper()
	logger := testkit.Logger(t)
	nc, err := eventlog.Connect(w.nats.ClientURL())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	l, err := eventlog.Open(ctx, w.pool, nc, logConfig, logger)
	require.NoError(t, err)
	store := ephemeral.New(w.redis, "secret", logger)
	hub := New(l, w.pool, w.tokens, store, cfg, logger)
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("log: %v", err)
		}
	})
	hubContext, stopHub := context.WithCancel(ctx)
	var hubRunning sync.WaitGroup
	hubRunning.Go(func() {
		if err := hub.Run(hubContext); err != nil {
			t.Errorf("hub: %v", err)
		}
	})
	server := web.New(logger)
	NewHandler(hub, w.tokens, w.tickets).Register(server.Echo)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	httpServer := &http.Server{Handler: server.Echo}
	running.Go(func() { _ = httpServer.Serve(listener) })
	select {
	case <-hub.ready:
	case <-time.After(10 * time.Second):
		t.Fatal("the hub did not start")
	}
	n := &node{world: w, log: l, hub: hub, store: store, url: "http://" + listener.Addr().String() + "/v1/stream"}
	n.stop = sync.OnceFunc(func() {
		stopHub()
		hubRunning.Wait()
		_ = httpServer.Close()
		cancel()
		running.Wait()
		nc.Close()
	})
	t.Cleanup(n.stop)
	return n
}

func newID() domain.ID { return domain.ID(uuid.Must(uuid.NewV7())) }

func execute(n *node, stream, actor domain.ID, decide func(c *domain.Conversation) ([]domain.Event, error)) eventlog.Result {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	result, err := eventlog.Execute(ctx, n.log, eventlog.Conversations, eventlog.Command{Stream: stream, Actor: actor},
		func(c *domain.Conversation, _ int64) ([]domain.Event, error) { return decide(c) })
	require.NoError(n.t, err)
	return result
}

// group creates a conversation; the first member owns it. It returns when the node has
// dispatched the events: a socket that opens later does not receive them live.
func (n *node) group(members ...domain.ID) domain.ID {
	n.t.Helper()
	id := newID()
	made := execute(n, id, members[0], func(c *domain.Conversation) ([]domain.Event, error) {
		return c.Create(domain.CreateConversation{Actor: members[0], Kind: domain.Group, Name: "a group", Members: members[1:]})
	})
	n.reach(made.Events[len(made.Events)-1])
	return id
}

func (n *node) send(conversation, author domain.ID, body string) *eventlog.Event {
	n.t.Helper()
	return execute(n, conversation, author, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.SendMessage(domain.SendMessage{Actor: author, MessageID: newID(), Body: body})
	}).Events[0]
}

// reach waits until the node's hub has dispatched an event, of this node or of another:
// a socket that starts later replays it, and an earlier one receives it live.
func (n *node) reach(e *eventlog.Event) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(n.t, n.hub.partitions[e.Partition].reach(ctx, e.Position))
}

func (n *node) add(conversation, owner, user domain.ID) *eventlog.Event {
	n.t.Helper()
	return execute(n, conversation, owner, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.AddMember(domain.AddMember{Actor: owner, UserID: user, Role: domain.RoleMember})
	}).Events[0]
}

func (n *node) remove(conversation, owner, user domain.ID) *eventlog.Event {
	n.t.Helper()
	return execute(n, conversation, owner, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.RemoveMember(domain.RemoveMember{Actor: owner, UserID: user})
	}).Events[0]
}

// frame is any frame of the server, as a client reads it.
type frame struct {
	Type          string `json:"type"`
	SessionID     string `json:"session_id"`
	Epoch         int    `json:"epoch"`
	HeartbeatMS   int64  `json:"heartbeat_ms"`
	UserID        string `json:"user_id"`
	Conversations []struct {
		ID  string `json:"id"`
		Seq int64  `json:"seq"`
	} `json:"conversations"`
	At             json.RawMessage `json:"at"`
	ConversationID string          `json:"conversation_id"`
	Seq            int64           `json:"seq"`
	Event          string          `json:"event"`
	ID             string          `json:"id"`
	Data           json.RawMessage `json:"data"`
	Replayed       int             `json:"replayed"`
	FromSeq        int64           `json:"from_seq"`
	ToSeq          int64           `json:"to_seq"`
	AfterMS        int64           `json:"after_ms"`
	Reason         string          `json:"reason"`
	Code           string          `json:"code"`
	Message        string          `json:"message"`
	Re             string          `json:"re"`
	RetryAfterMS   int64           `json:"retry_after_ms"`
	Body           string          `json:"body"`
	On             bool            `json:"on"`
	State          string          `json:"state"`
	LastSeen       *time.Time      `json:"last_seen"`
}

func (f frame) positions(t testing.TB) []string {
	var at []string
	require.NoError(t, json.Unmarshal(f.At, &at))
	return at
}

// client is a client of the stream, as written from the protocol's document:
// it keeps the last position of each partition and what it has seen of each
// conversation.
type client struct {
	t      testing.TB
	user   domain.ID
	conn   *websocket.Conn
	at     map[string]string
	seen   map[string][]int64 // seqs of each conversation, in order of arrival
	events []frame
	told   *contracttest.Seen // what it saw and sent, if a test asks
}

func (w *world) token(user domain.ID) string {
	token, _ := w.tokens.Issue(user, user)
	return token
}

func newClient(t testing.TB, user domain.ID) *client {
	return &client{t: t, user: user, at: map[string]string{}, seen: map[string][]int64{}}
}

// connect opens a stream that resumes from what the client has seen.
func (c *client) connect(n *node, query string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	header := http.Header{"Authorization": {"Bearer " + n.token(c.user)}}
	conn, _, err := websocket.Dial(ctx, n.url+query, &websocket.DialOptions{HTTPHeader: header, Subprotocols: []string{protocol.Subprotocol}})
	require.NoError(c.t, err)
	conn.SetReadLimit(1 << 20)
	c.conn = conn
	c.t.Cleanup(func() { _ = conn.CloseNow() })
}

// open connects a new client and reads up to ready.
func (n *node) open(user domain.ID) *client {
	n.t.Helper()
	c := newClient(n.t, user)
	c.connect(n, "?resume=0")
	require.Equal(n.t, "hello", c.next().Type)
	require.Equal(n.t, "ready", c.next().Type)
	return c
}

// resume connects and resumes, and reads up to the answer.
func (c *client) resume(n *node) frame {
	c.t.Helper()
	c.connect(n, "?resume=1")
	c.sendResume()
	return c.until("resumed")
}

func (c *client) sendResume() {
	c.t.Helper()
	at := make([]string, 0, len(c.at))
	for p, position := range c.at {
		at = append(at, p+":"+position)
	}
	c.say(map[string]any{"type": "resume", "at": at, "epoch": 1})
}

func (c *client) write(frame any) {
	c.t.Helper()
	b, err := json.Marshal(frame)
	require.NoError(c.t, err)
	c.writeRaw(websocket.MessageText, b)
}

func (c *client) writeRaw(typ websocket.MessageType, b []byte) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(c.t, c.conn.Write(ctx, typ, b))
}

// say writes a frame that is as the contract has it.
func (c *client) say(frame any) {
	c.t.Helper()
	b, err := json.Marshal(frame)
	require.NoError(c.t, err)
	require.NoError(c.t, contracttest.New(c.t).Check("client.", b), "%s", b)
	c.told.Add("client.", b)
	c.writeRaw(websocket.MessageText, b)
}

// read returns the next frame, which has to be as the contract has it, and
// keeps what it tells.
func (c *client) read(ctx context.Context) (frame, error) {
	typ, b, err := c.conn.Read(ctx)
	if err != nil {
		return frame{}, err
	}
	var f frame
	if err := json.Unmarshal(b, &f); err != nil || typ != websocket.MessageText {
		return frame{}, fmt.Errorf("%s message %s: %w", typ, b, err)
	}
	require.NoError(c.t, contracttest.New(c.t).Check("", b), "%s", b)
	c.told.Add("", b)
	switch f.Type {
	case "event":
		var at string
		if err := json.Unmarshal(f.At, &at); err != nil {
			return frame{}, err
		}
		p, position, _ := strings.Cut(at, ":")
		c.at[p] = position
		stream := f.ConversationID + f.UserID
		c.seen[stream] = append(c.seen[stream], f.Seq)
		c.events = append(c.events, f)
	case "ready", "resumed":
		for _, at := range f.positions(c.t) {
			p, position, _ := strings.Cut(at, ":")
			c.at[p] = position
		}
	}
	return f, nil
}

func (c *client) next() frame {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	f, err := c.read(ctx)
	require.NoError(c.t, err)
	return f
}

// until reads up to a frame of a type.
func (c *client) until(typ string) frame {
	c.t.Helper()
	for {
		if f := c.next(); f.Type == typ {
			return f
		}
	}
}

// untilEvent reads up to an event.
func (c *client) untilEvent(e *eventlog.Event) frame {
	c.t.Helper()
	for {
		if f := c.next(); f.Type == "event" && f.ID == e.ID.String() {
			return f
		}
	}
}

// closed reads up to the end and returns why it came.
func (c *client) closed() protocol.CloseCode {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		if _, err := c.read(ctx); err != nil {
			require.NoError(c.t, ctx.Err())
			return protocol.CloseCode(websocket.CloseStatus(err))
		}
	}
}

// cut ends the connection as a network would.
func (c *client) cut() { _ = c.conn.CloseNow() }

// span of seqs, for comparing with client.seen.
func seqs(from, to int64) []int64 {
	var s []int64
	for ; from <= to; from++ {
		s = append(s, from)
	}
	return s
}

// loadInbox makes the read model that streams start from, as of how far the
// log is now: folded by hand, so that it moves only when a test says so.
func (n *node) loadInbox() {
	n.t.Helper()
	ctx := context.Background()
	schema, err := os.ReadFile("../projections/inbox/schema.sql")
	require.NoError(n.t, err)
	_, err = n.pool.Exec(ctx, `DROP SCHEMA IF EXISTS inbox CASCADE; CREATE SCHEMA inbox; SET search_path = inbox; `+string(schema)+`; RESET search_path`)
	require.NoError(n.t, err)
	_, err = n.pool.Exec(ctx, `
BEGIN;
DELETE FROM projections.checkpoints WHERE projection = 'inbox';
INSERT INTO projections.checkpoints (projection, partition, position) SELECT 'inbox', partition, position FROM log.heads;
INSERT INTO inbox.members (conversation_id, user_id, role, joined_at, joined_seq, removed_seq, read_seq, read_ordinal)
SELECT a.stream, a.user_id, 'member', now(), max(a.version) FILTER (WHERE a.type = 'member.added'),
       CASE WHEN (array_agg(a.type ORDER BY a.version DESC))[1] = 'member.removed' THEN max(a.version) END, 0, 0
  FROM (SELECT stream, type, version, (payload->>'user_id')::uuid AS user_id FROM log.events WHERE type LIKE 'member.%') AS a
 GROUP BY a.stream, a.user_id;
INSERT INTO inbox.conversations (id, partition, kind, created_at, active_at, member_count, last_seq, last_ordinal)
SELECT s.stream, 0, 'group', now(), now(), (SELECT count(*) FROM inbox.members m WHERE m.conversation_id = s.stream AND m.removed_seq IS NULL), s.version, 0
  FROM log.streams s
 WHERE EXISTS (SELECT FROM inbox.members m WHERE m.conversation_id = s.stream);
COMMIT`)
	require.NoError(n.t, err)
}
