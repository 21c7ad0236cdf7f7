package commands_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"ping/commands"
	"ping/domain"
	"ping/internal/auth"
	"ping/internal/ephemeral"
	"ping/internal/erasure"
	"ping/internal/eventlog"
	"ping/internal/identity"
	"ping/internal/limits"
	"ping/internal/testkit"
	"ping/internal/web"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const password = "correct horse"

// system is the parts that nodes share.
type system struct {
	t       testing.TB
	pool    *pgxpool.Pool
	redis   *redis.Client
	natsURL string
	limits  string        // as limits.Parse reads them
	markers time.Duration // the least time between read markers; 0: as in production
	proxies []*net.IPNet  // whose X-Forwarded-For is believed
}

func newSystem(t testing.TB) *system {
	t.Helper()
	return &system{t: t, pool: testkit.Pool(t), redis: testkit.Redis(t), natsURL: testkit.NATS(t).ClientURL(), limits: "off"}
}

// node is one running Ping, as far as commands go.
type node struct {
	t      testing.TB
	system *system
	log    *eventlog.Log
	tokens *auth.Tokens
	http   *httptest.Server
	// stopLog ends the log alone, stop all of the node.
	stopLog, stop func()
}

// start runs a node until the test ends, or until stop.
func (s *system) start() *node {
	s.t.Helper()
	nc, err := eventlog.Connect(s.natsURL)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	log, err := eventlog.Open(ctx, s.pool, nc, eventlog.Config{}, testkit.Logger(s.t))
	require.NoError(s.t, err)
	ran := make(chan error, 1)
	go func() { ran <- log.Run(ctx) }()

	n := &node{t: s.t, system: s, log: log}
	n.tokens, err = auth.NewTokens(bytes.Repeat([]byte("s"), auth.MinSecret), time.Now)
	require.NoError(s.t, err)
	server := web.New(testkit.Logger(s.t))
	rates, err := limits.Parse(s.limits)
	require.NoError(s.t, err)
	limiter := limits.New(s.redis, rates, "secret", testkit.Logger(s.t))
	web.Authenticate(server.API, n.tokens)
	web.Limit(server.API, limiter, s.proxies)
	nothing := func(domain.ID) {} // no sockets here
	identities := identity.NewStore(s.pool)
	revocations := auth.NewRevocations(s.redis, identities.Revoked, n.tokens, nothing, nothing, auth.Config{}, testkit.Logger(s.t))
	require.NoError(s.t, revocations.Load(ctx))
	var hearing sync.WaitGroup
	hearing.Go(func() { _ = revocations.Run(ctx) }) // ends with ctx, without an error
	store := ephemeral.New(s.redis, "secret", testkit.Logger(s.t))
	require.NoError(s.t, commands.Register(server.API, commands.Deps{
		Log: log, Identities: identities, Tokens: n.tokens, Tickets: auth.NewTickets(s.redis), Revocations: revocations,
		Eraser: erasure.New(s.pool, identities, log, store, erasure.Config{}, testkit.Logger(s.t)), Ephemeral: store,
		Reads:      commands.Reads{Conversation: n.readConversation, Message: n.readMessage},
		LimitLogin: web.LimitLogin(limiter), Logger: testkit.Logger(s.t),
	}, commands.Config{BcryptCost: bcrypt.MinCost, MarkerInterval: s.markers}))
	n.http = httptest.NewServer(server.Echo)
	n.stopLog = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("log: %v", err)
		}
		nc.Close()
	})
	n.stop = sync.OnceFunc(func() {
		n.http.Close()
		n.stopLog()
		hearing.Wait()
		if err := limiter.Close(); err != nil {
			s.t.Errorf("limiter: %v", err)
		}
	})
	s.t.Cleanup(n.stop)
	return n
}

// readConversation reads what the tests look at from the log itself.
func (n *node) readConversation(ctx context.Context, user, id domain.ID, at eventlog.At) (web.Conversation, error) {
	events, err := n.log.ReadStream(ctx, id, 0, 100)
	if err != nil {
		return web.Conversation{}, err
	}
	return web.Conversation{ID: id, Kind: domain.Direct, Role: domain.RoleMember, MemberCount: 2,
		LastSeq: events[len(events)-1].Version, CreatedAt: events[0].RecordedAt}, nil
}

func (n *node) readMessage(ctx context.Context, _, conversation, id domain.ID, _ eventlog.At) (web.Message, error) {
	m, err := n.log.Message(ctx, conversation, id)
	return web.Message{ID: m.MessageID, ConversationID: conversation, Seq: m.MessageSeq, AuthorID: m.Author, Body: m.Body,
		Pinned: m.Pinned}, err
}

// answer is what came back over HTTP.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// request is one call. A body of type string goes as it is.
type request struct {
	method, path string
	token, key   string
	body         any
	header       http.Header
}

func (n *node) do(t testing.TB, r request) answer {
	t.Helper()
	var body io.Reader
	switch b := r.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		require.NoError(t, err)
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequest(r.method, n.http.URL+r.path, body)
	require.NoError(t, err)
	for name, values := range r.header {
		req.Header[name] = values
	}
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	res, err := n.http.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{t, res.StatusCode, res.Header, got}
}

// is checks the status and returns the answer.
func (a answer) is(status int) answer {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s", a.body)
	return a
}

// refused checks that the answer is a problem with a status and a code.
func (a answer) refused(status int, code string) answer {
	a.t.Helper()
	a.is(status)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	problem := into[web.Error](a)
	require.Equal(a.t, code, problem.Code)
	require.Equal(a.t, status, problem.Status)
	require.NotEmpty(a.t, problem.Detail)
	return a
}

func into[T any](a answer) (v T) {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal(a.body, &v), "%s", a.body)
	return v
}

func (a answer) position() eventlog.At {
	a.t.Helper()
	at, err := eventlog.ParseAt(a.header.Get("Ping-Position"))
	require.NoError(a.t, err)
	return at
}

func (a answer) replayed() bool { return a.header.Get("Idempotent-Replayed") == "true" }

// person is a registered user with a session.
type person struct {
	ID      domain.ID
	Email   string
	Token   string
	Refresh string
}

func (n *node) person(t testing.TB, name string) person {
	t.Helper()
	email := name + "-" + uuid.NewString()[:8] + "@example.org"
	session := into[web.Session](n.do(t, registration(email, name)).is(http.StatusCreated))
	return person{session.User.ID, email, session.AccessToken, session.RefreshToken}
}

func registration(email, name string) request {
	return request{method: "POST", path: "/v1/auth/register",
		body: map[string]any{"email": email, "password": password, "display_name": name}}
}

func createRequest(by person, kind string, name string, members ...domain.ID) request {
	body := map[string]any{"kind": kind, "members": append([]domain.ID{}, members...)}
	if name != "" {
		body["name"] = name
	}
	return request{method: "POST", path: "/v1/conversations", token: by.Token, body: body}
}

// group makes a group of its owner and the others.
func (n *node) group(t testing.TB, owner person, members ...person) domain.ID {
	t.Helper()
	ids := []domain.ID{}
	for _, m := range members {
		ids = append(ids, m.ID)
	}
	return into[web.Conversation](n.do(t, createRequest(owner, "group", "crew", ids...)).is(http.StatusCreated)).ID
}

func sendRequest(by person, conversation domain.ID, key, body string) request {
	return request{method: "POST", path: "/v1/conversations/" + conversation.String() + "/messages", token: by.Token, key: key,
		body: map[string]any{"body": body}}
}

// events are those of a stream, by type.
func (n *node) events(t testing.TB, stream domain.ID) (types []string) {
	t.Helper()
	events, err := n.log.ReadStream(context.Background(), stream, 0, 10_000)
	require.NoError(t, err)
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

// atOnce runs f n times at the same moment and returns all answers.
func atOnce(n int, f func(i int) answer) []answer {
	answers := make([]answer, n)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			answers[i] = f(i)
		})
	}
	close(begin)
	wg.Wait()
	return answers
}
