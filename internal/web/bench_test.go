package web_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/limits"
	"ping/internal/testkit"
	"ping/internal/web"
)

var secret = bytes.Repeat([]byte("k"), auth.MinSecret)

type sendInput struct {
	web.Write
	ConversationID domain.ID `path:"conversation_id"`
	Body           struct {
		Body    string     `json:"body"`
		ReplyTo *domain.ID `json:"reply_to,omitempty" nullable:"true"`
	}
}

type sendOutput struct {
	web.Written
	Body web.Message
}

// echoServer answers a message without storing it, to measure HTTP alone.
func echoServer(tb testing.TB) (*web.Server, *auth.Tokens) {
	return limitedEchoServer(tb, limits.New(nil, nil, "", slog.New(slog.DiscardHandler)))
}

func limitedEchoServer(tb testing.TB, limiter *limits.Limiter) (*web.Server, *auth.Tokens) {
	tokens, err := auth.NewTokens(secret, time.Now)
	require.NoError(tb, err)
	s := web.New(slog.New(slog.DiscardHandler))
	web.Authenticate(s.API, tokens)
	web.Limit(s.API, limiter, nil)
	huma.Register(s.API, web.Limited(huma.Operation{
		OperationID: "send-message", Method: http.MethodPost, Path: "/v1/conversations/{conversation_id}/messages",
		Security: web.Bearer, DefaultStatus: http.StatusCreated,
	}, limits.Send), func(ctx context.Context, in *sendInput) (*sendOutput, error) {
		return &sendOutput{
			Written: web.WrittenAt("7:1042", false),
			Body: web.Message{ID: in.ConversationID, ConversationID: in.ConversationID, AuthorID: web.CallerFrom(ctx).UserID,
				Seq: 17, Body: in.Body.Body, ReplyTo: in.Body.ReplyTo, Reactions: []web.Reaction{}, SentAt: time.Unix(1700000000, 0).UTC()},
		}, nil
	})
	return s, tokens
}

type discardWriter struct{ header http.Header }

func (w discardWriter) Header() http.Header         { return w.header }
func (w discardWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w discardWriter) WriteHeader(int)             {}

func BenchmarkSendMessage(b *testing.B) {
	s, tokens := echoServer(b)
	benchmarkSend(b, s, tokens)
}

// BenchmarkSendMessageLimited does the same with a rate limit, settled in Redis in batches of ten messages.
func BenchmarkSendMessageLimited(b *testing.B) {
	limiter := limits.New(testkit.Redis(b), limits.Rates{limits.Send: {Count: 1_000_000, Unit: time.Second}}, "", testkit.Logger(b))
	b.Cleanup(func() { require.NoError(b, limiter.Close()) })
	s, tokens := limitedEchoServer(b, limiter)
	benchmarkSend(b, s, tokens)
}

func benchmarkSend(b *testing.B, s *web.Server, tokens *auth.Tokens) {
	token, _ := tokens.Issue(domain.ID(uuid.New()), domain.ID(uuid.New()))
	body := []byte(`{"body":"Good morning, everyone: the build is green again."}`)
	request := httptest.NewRequest(http.MethodPost, "/v1/conversations/"+uuid.NewString()+"/messages", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", uuid.NewString())
	w := discardWriter{http.Header{}}
	reader := bytes.NewReader(body)
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		request.Body = io.NopCloser(reader)
		clear(w.header)
		s.Echo.ServeHTTP(w, request)
	}
	require.NotEmpty(b, w.header.Get("Ping-Position"), "the request succeeded")
}
