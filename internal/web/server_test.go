package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

// call sends a request to a server in process.
func call(s *web.Server, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Echo.ServeHTTP(w, r)
	return w
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder, status int, code string) web.Error {
	t.Helper()
	require.Equal(t, status, w.Code, "%s", w.Body)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	var e web.Error
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e))
	require.Equal(t, code, e.Code)
	require.Equal(t, status, e.Status)
	require.NotEmpty(t, e.Title)
	require.NotEmpty(t, e.Detail)
	return e
}

// failing makes a server whose only operation returns the error of do. It also returns the server's log.
func failing(do func() error) (*web.Server, *bytes.Buffer) {
	var log bytes.Buffer
	s := web.New(slog.New(slog.NewTextHandler(&log, nil)))
	huma.Register(s.API, huma.Operation{OperationID: "fail", Method: http.MethodPost, Path: "/fail/{id}"},
		func(context.Context, *struct {
			web.Write
			ID   domain.ID `path:"id"`
			Body struct {
				Name string `json:"name"`
			}
		}) (*struct{}, error) {
			return nil, do()
		})
	s.Echo.GET("/echo", func(echo.Context) error { return do() })
	return s, &log
}

var failPath = "/fail/" + uuid.NewString()

func TestErrors(t *testing.T) {
	cases := map[string]struct {
		err        error
		status     int
		code       string
		retryAfter bool
		logged     bool
	}{
		"domain error":            {domain.ErrForbidden, 403, "forbidden", false, false},
		"wrapped domain error":    {fmt.Errorf("send: %w", domain.ErrConversationNotFound), 404, "conversation_not_found", false, false},
		"reused key":              {eventlog.ErrKeyReused, 409, "idempotency_key_reused", false, false},
		"overload":                {eventlog.ErrOverloaded, 503, "overloaded", true, false},
		"shutting down":           {eventlog.ErrClosed, 503, "shutting_down", true, false},
		"no database":             {eventlog.ErrUnavailable, 503, "unavailable", true, false},
		"timeout":                 {context.DeadlineExceeded, 503, "unavailable", true, false},
		"busy":                    {web.ErrBusy, 503, "busy", true, false},
		"rate limit":              {&domain.Error{Kind: domain.TooMany, Code: "rate_limited", Message: "x"}, 429, "rate_limited", true, false},
		"disconnected client":     {context.Canceled, 499, "client_gone", false, false},
		"unknown error":           {errors.New("disk 7 is on fire"), 500, "internal", false, true},
		"domain error of no kind": {&domain.Error{Code: "unheard_of", Message: "x"}, 500, "internal", false, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, source := range []string{"operation", "handler", "converted before"} {
				s, log := failing(func() error {
					if source == "converted before" {
						return web.Problem(c.err)
					}
					return c.err
				})
				method, path := "POST", failPath
				if source == "handler" {
					method, path = "GET", "/echo"
				}
				w := call(s, method, path, `{"name":"x"}`)
				problemOf(t, w, c.status, c.code)
				require.Equal(t, c.retryAfter, w.Header().Get("Retry-After") != "", source)
				require.NotContains(t, w.Body.String(), "fire", "causes are not published")
				if c.logged {
					require.Equal(t, 1, strings.Count(log.String(), "\n"), "logged once: %s", log)
					require.Contains(t, log.String(), w.Header().Get("X-Request-Id"))
				} else {
					require.Empty(t, log.String())
				}
			}
		})
	}
	t.Run("panic", func(t *testing.T) {
		for _, path := range []string{failPath, "/echo"} {
			s, log := failing(func() error { panic("kaboom") })
			method := map[bool]string{true: "GET", false: "POST"}[path == "/echo"]
			w := call(s, method, path, `{"name":"x"}`)
			problemOf(t, w, 500, "internal")
			require.NotContains(t, w.Body.String(), "kaboom")
			require.Contains(t, log.String(), "kaboom")
			require.Contains(t, log.String(), "server_test.go", "logged with its stack")
		}
	})
}

func TestRequestsThatMissTheContract(t *testing.T) {
	s, log := failing(func() error { return nil })
	t.Run("unknown path", func(t *testing.T) {
		problemOf(t, call(s, "GET", "/nowhere", ""), 404, "not_found")
	})
	t.Run("unknown method", func(t *testing.T) {
		w := call(s, "DELETE", failPath, "")
		problemOf(t, w, 405, "method_not_allowed")
		require.Contains(t, w.Header().Get("Allow"), "POST")
	})
	t.Run("unknown field", func(t *testing.T) {
		e := problemOf(t, call(s, "POST", failPath, `{"name":"x","nmae":"y"}`), 422, "validation")
		require.Equal(t, "body.nmae", e.Errors[0].Location)
	})
	t.Run("several errors", func(t *testing.T) {
		e := problemOf(t, call(s, "POST", "/fail/7", `{"nmae":"y"}`), 422, "validation")
		require.GreaterOrEqual(t, len(e.Errors), 3)
	})
	t.Run("not JSON", func(t *testing.T) {
		problemOf(t, call(s, "POST", failPath, `name=x`), 400, "validation")
		problemOf(t, call(s, "POST", failPath, ``), 400, "validation")
	})
	t.Run("other media type", func(t *testing.T) {
		problemOf(t, call(s, "POST", failPath, `name: x`, "Content-Type", "application/yaml"), 415, "unsupported_media_type")
		problemOf(t, call(s, "POST", failPath, `x`, "Content-Type", "application/octet-stream"), 415, "unsupported_media_type")
	})
	t.Run("too large", func(t *testing.T) {
		problemOf(t, call(s, "POST", failPath, `{"name":"`+strings.Repeat("x", 65_536)+`"}`), 413, "body_too_large")
	})
	require.Empty(t, log.String(), "errors of clients are not logged")
}

func TestAnswersJSONWhateverTheAcceptHeader(t *testing.T) {
	s, _ := failing(func() error { return domain.ErrForbidden })
	problemOf(t, call(s, "POST", failPath, `{"name":"x"}`, "Accept", "text/html"), 403, "forbidden")
}

// TestLimitOfUnknownAction: an operation whose limit would never apply is found at startup.
func TestLimitOfUnknownAction(t *testing.T) {
	s, _ := echoServer(t)
	op := web.Limited(huma.Operation{OperationID: "shout", Method: http.MethodPost, Path: "/shout"}, "sned")
	require.PanicsWithValue(t, `operation shout: there is no action "sned"`, func() {
		huma.Register(s.API, op, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	})
}

func TestRequestID(t *testing.T) {
	s, _ := failing(func() error { return nil })
	first, second := call(s, "GET", "/nowhere", "").Header().Get("X-Request-Id"), call(s, "GET", "/nowhere", "").Header().Get("X-Request-Id")
	require.NotEmpty(t, first)
	require.NotEqual(t, first, second)
	require.Equal(t, "mine", call(s, "GET", "/nowhere", "", "X-Request-Id", "mine").Header().Get("X-Request-Id"))
	require.NotEqual(t, "a b", call(s, "GET", "/nowhere", "", "X-Request-Id", "a b").Header().Get("X-Request-Id"))
}

func TestAccessLog(t *testing.T) {
	var log bytes.Buffer
	s := web.New(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	s.Echo.GET("/users/:id", func(c echo.Context) error { return c.NoContent(204) })
	call(s, "GET", "/users/ada?token=secret", "")
	require.Contains(t, log.String(), "route=/users/:id")
	require.Contains(t, log.String(), "status=204")
	require.NotContains(t, log.String(), "ada")
	require.NotContains(t, log.String(), "secret")
}

func TestAuthenticate(t *testing.T) {
	s, tokens := echoServer(t)
	path := "/v1/conversations/" + uuid.NewString() + "/messages"
	user := domain.ID(uuid.New())
	token, _ := tokens.Issue(user, domain.ID(uuid.New()))
	for _, scheme := range []string{"Bearer ", "bearer "} {
		w := call(s, "POST", path, `{"body":"x"}`, "Authorization", scheme+token)
		require.Equal(t, 201, w.Code)
		require.Contains(t, w.Body.String(), user.String(), "the caller is the token's")
		require.Equal(t, "7:1042", w.Header().Get("Ping-Position"))
		require.Empty(t, w.Header().Get("Idempotent-Replayed"))
	}
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer x", "Basic " + token, token, "Bearer " + token + "x"} {
		w := call(s, "POST", path, `not even JSON`, "Authorization", header)
		problemOf(t, w, 401, "unauthenticated")
		require.Equal(t, `Bearer realm="ping"`, w.Header().Get("WWW-Authenticate"))
	}
	require.Zero(t, web.CallerFrom(context.Background()))
}

func TestOpenAPI(t *testing.T) {
	s, _ := echoServer(t)
	w := call(s, "GET", "/openapi.json", "")
	require.Equal(t, 200, w.Code)
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Schemas map[string]json.RawMessage }
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
	require.True(t, strings.HasPrefix(doc.OpenAPI, "3.1"))
	post := string(doc.Paths["/v1/conversations/{conversation_id}/messages"]["post"])
	require.Contains(t, post, `"Idempotency-Key"`)
	require.Contains(t, post, `"Ping-Position"`)
	require.Contains(t, post, `"bearer"`)
	require.Contains(t, post, `"application/problem+json"`)
	require.NotContains(t, post, "octet-stream")
	require.Contains(t, string(doc.Components.Schemas["Message"]), `"format":"uuid"`)
	require.Contains(t, string(doc.Components.Schemas["Error"]), `"code"`)
}

// TestEveryErrorHasAKind reads the refusals from the source of the whole module, so that one without a kind, which
// would be answered with 500, fails here. In domain the compiler requires all fields.
func TestEveryErrorHasAKind(t *testing.T) {
	found := 0
	require.NoError(t, filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if ok && types.ExprString(literal.Type) == "domain.Error" {
				found++
				require.True(t, slices.ContainsFunc(literal.Elts, func(e ast.Expr) bool {
					field, keyed := e.(*ast.KeyValueExpr)
					return keyed && types.ExprString(field.Key) == "Kind"
				}), "%s: an error needs a kind: %s", path, types.ExprString(literal))
			}
			return true
		})
		return nil
	}))
	require.Greater(t, found, 20, "the errors were found")
}

// TestKinds: each kind has a status of its own.
func TestKinds(t *testing.T) {
	seen := map[int]bool{}
	for kind := domain.InvalidRequest; kind <= domain.Internal; kind++ {
		var e *web.Error
		require.ErrorAs(t, web.Problem(&domain.Error{Kind: kind, Code: "x", Message: "x"}), &e)
		require.Equal(t, "x", e.Code, "kind %d needs a row in statuses", kind)
		require.False(t, seen[e.Status], e.Status)
		seen[e.Status] = true
	}
	require.Len(t, seen, 9)
}

func TestHTTPServer(t *testing.T) {
	s, tokens := echoServer(t)
	server := httptest.NewUnstartedServer(nil)
	server.Config = s.HTTPServer("")
	server.Start()
	defer server.Close()
	token, _ := tokens.Issue(domain.ID(uuid.New()), domain.ID(uuid.New()))
	request, err := http.NewRequest(http.MethodPost, server.URL+"/v1/conversations/"+uuid.NewString()+"/messages", strings.NewReader(`{"body":"hello"}`))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := server.Client().Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.Equal(t, 201, response.StatusCode)
	require.Equal(t, 30*time.Second, server.Config.ReadTimeout)
}

// TestSlowRequests: a client that does not complete its request, or sends too large a header, does not hold a
// connection.
func TestSlowRequests(t *testing.T) {
	s, _ := echoServer(t)
	server := httptest.NewUnstartedServer(nil)
	server.Config = s.HTTPServer("")
	require.LessOrEqual(t, server.Config.ReadHeaderTimeout, 5*time.Second)
	require.Positive(t, server.Config.ReadHeaderTimeout)
	server.Config.ReadHeaderTimeout = 200 * time.Millisecond
	server.Start()
	defer server.Close()
	var slow []net.Conn
	for range 20 {
		for _, begun := range []string{"", "GET", "GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgr", "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\n"} {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, begun)
			require.NoError(t, err)
			slow = append(slow, conn)
		}
	}
	response, err := server.Client().Get(server.URL + "/openapi.json")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 200, response.StatusCode, "other clients are not affected")
	for _, conn := range slow {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, err := io.Copy(io.Discard, conn) // until the server gives up
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}
