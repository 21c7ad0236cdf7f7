package readapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
	"ping/internal/identity"
	"ping/internal/testkit"
	"ping/internal/web"
	"ping/projections"
	"ping/readapi"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// system is one node with what reads need: the log, the projections and an ephemeral store.
type system struct {
	t      testing.TB
	pool   *pgxpool.Pool
	log    *eventlog.Log
	tokens *auth.Tokens
	http   *httptest.Server
	read   readapi.Reads
	nats   string
	last   eventlog.At // of the last write
	// written has the last position per partition.
	written map[int]eventlog.At
	// stopRunner stops the projections only.
	stopRunner func()
	ephemeral  *ephemeral.Store
}

func newSystem(t testing.TB) *system {
	t.Helper()
	s := &system{t: t, pool: testkit.Pool(t), nats: testkit.NATS(t).ClientURL(), written: map[int]eventlog.At{}}
	nc, err := eventlog.Connect(s.nats)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	logger := testkit.Logger(t)
	s.log, err = eventlog.Open(ctx, s.pool, nc, eventlog.Config{}, logger)
	require.NoError(t, err)
	require.NoError(t, projections.Install(ctx, s.pool, projections.BuiltIn(), logger))
	runner := projections.NewRunner(s.pool, s.log, projections.BuiltIn(), projections.Config{}, logger)
	runnerContext, stopRunner := context.WithCancel(ctx)
	var logRuns, runnerRuns sync.WaitGroup
	logRuns.Go(func() {
		if err := s.log.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("log: %v", err)
		}
	})
	runnerRuns.Go(func() {
		if err := runner.Run(runnerContext); err != nil {
			t.Errorf("runner: %v", err)
		}
	})
	s.stopRunner = sync.OnceFunc(func() {
		stopRunner()
		runnerRuns.Wait()
	})
	s.tokens, err = auth.NewTokens(bytes.Repeat([]byte("s"), auth.MinSecret), time.Now)
	require.NoError(t, err)
	server := web.New(logger)
	web.Authenticate(server.API, s.tokens)
	s.ephemeral = ephemeral.New(testkit.Redis(t), "secret", logger)
	s.read = readapi.Register(server.API, s.pool, identity.NewStore(s.pool), s.log, s.ephemeral)
	s.http = httptest.NewServer(server.Echo)
	t.Cleanup(func() {
		s.http.Close()
		s.stopRunner()
		cancel()
		logRuns.Wait()
		nc.Close()
	})
	return s
}

// wrote records a position that later reads must include.
func (s *system) wrote(at eventlog.At) {
	s.last, s.written[at.Partition] = at, at
}

// user registers a user.
func (s *system) user(name string) domain.ID {
	s.t.Helper()
	id := eventlog.NewID()
	done, err := eventlog.Execute(s.t.Context(), s.log, eventlog.Users, eventlog.Command{Stream: id, Actor: id},
		func(u *domain.User, _ int64) ([]domain.Event, error) {
			return u.Register(domain.RegisterUser{DisplayName: name})
		})
	require.NoError(s.t, err)
	s.wrote(done.At)
	return id
}

// profile changes a user's profile.
func (s *system) profile(user domain.ID, change domain.ChangeProfile) {
	s.t.Helper()
	done, err := eventlog.Execute(s.t.Context(), s.log, eventlog.Users, eventlog.Command{Stream: user, Actor: user},
		func(u *domain.User, _ int64) ([]domain.Event, error) { return u.ChangeProfile(change) })
	require.NoError(s.t, err)
	s.wrote(done.At)
}

// execute runs a command on a conversation and returns its last event.
func (s *system) execute(stream, actor domain.ID, decide func(*domain.Conversation) ([]domain.Event, error)) *eventlog.Event {
	s.t.Helper()
	done, err := eventlog.Execute(s.t.Context(), s.log, eventlog.Conversations, eventlog.Command{Stream: stream, Actor: actor},
		func(c *domain.Conversation, _ int64) ([]domain.Event, error) { return decide(c) })
	require.NoError(s.t, err)
	require.NotEmpty(s.t, done.Events)
	s.wrote(done.At)
	return done.Events[len(done.Events)-1]
}

func (s *system) group(name string, members ...domain.ID) domain.ID {
	s.t.Helper()
	id := eventlog.NewID()
	s.execute(id, members[0], func(c *domain.Conversation) ([]domain.Event, error) {
		return c.Create(domain.CreateConversation{Actor: members[0], Kind: domain.Group, Name: name, Members: members[1:]})
	})
	return id
}

func (s *system) send(conversation, author domain.ID, body string, replyTo domain.ID) *eventlog.Event {
	s.t.Helper()
	return s.execute(conversation, author, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.SendMessage(domain.SendMessage{Actor: author, MessageID: eventlog.NewID(), Body: body, ReplyTo: replyTo})
	})
}

func (s *system) remove(conversation, actor, user domain.ID) *eventlog.Event {
	s.t.Helper()
	return s.execute(conversation, actor, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.RemoveMember(domain.RemoveMember{Actor: actor, UserID: user})
	})
}

// get requests a path; the answer includes all earlier writes.
func (s *system) get(user domain.ID, path string) (status int, body []byte) {
	s.t.Helper()
	response := s.request(user, path, s.position())
	body, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return response.StatusCode, body
}

// position is the Ping-Min-Position of all writes.
func (s *system) position() string {
	var all []string
	for _, at := range s.written {
		all = append(all, at.String())
	}
	return strings.Join(all, ",")
}

func (s *system) request(user domain.ID, path, position string) *http.Response {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.http.URL+path, nil)
	require.NoError(s.t, err)
	if !user.IsZero() {
		token, _ := s.tokens.Issue(user, eventlog.NewID())
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if position != "" {
		request.Header.Set("Ping-Min-Position", position)
	}
	response, err := s.http.Client().Do(request)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// read requests a path and decodes the answer, which must be 200.
func read[T any](s *system, user domain.ID, path string) (v T) {
	s.t.Helper()
	status, body := s.get(user, path)
	require.Equal(s.t, http.StatusOK, status, "%s: %s", path, body)
	require.NoError(s.t, json.Unmarshal(body, &v))
	return v
}

// refused requests a path that must be refused, and returns the code.
func (s *system) refused(user domain.ID, path string, status int) (code string) {
	s.t.Helper()
	got, body := s.get(user, path)
	require.Equal(s.t, status, got, "%s: %s", path, body)
	var problem web.Error
	require.NoError(s.t, json.Unmarshal(body, &problem))
	return problem.Code
}
