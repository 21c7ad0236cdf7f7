package web_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"ping/internal/web"
)

type pageInput struct {
	Limit int `query:"limit" minimum:"1"`
}

type pageOutput struct {
	ETag string `header:"ETag"`
	Body struct {
		Limit int `json:"limit"`
	}
}

// listening serves a read and a write on a real connection.
func listening(t *testing.T) string {
	t.Helper()
	s, _ := failing(func() error { return nil })
	huma.Register(s.API, huma.Operation{OperationID: "page", Method: http.MethodGet, Path: "/page"},
		func(_ context.Context, in *pageInput) (*pageOutput, error) {
			out := &pageOutput{ETag: `"7"`}
			out.Body.Limit = in.Limit
			return out, nil
		})
	huma.Register(s.API, huma.Operation{OperationID: "closed", Method: http.MethodGet, Path: "/closed"},
		func(context.Context, *struct{}) (*struct{}, error) { return nil, web.Problem(web.ErrUnauthenticated) })
	server := httptest.NewUnstartedServer(nil)
	server.Config = s.HTTPServer("")
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// over sends a request on a connection of its own, and returns the answer and its body.
func over(t *testing.T, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(content)
}

func TestHead(t *testing.T) {
	base := listening(t)
	for _, path := range []string{"/page?limit=3", "/page?limit=0", "/closed", "/nowhere", "/docs", "/openapi.json"} {
		get, content := over(t, "GET", base+path, nil)
		head, none := over(t, "HEAD", base+path, nil)
		require.NotEmpty(t, content, path)
		require.Empty(t, none, path)
		require.Equal(t, get.StatusCode, head.StatusCode, path)
		for _, name := range []string{"Content-Type", "ETag", "WWW-Authenticate"} {
			require.Equal(t, get.Header[name], head.Header[name], path)
		}
		require.Contains(t, []int64{-1, get.ContentLength}, head.ContentLength, path)
	}
	head, _ := over(t, "HEAD", base+failPath, nil)
	require.Equal(t, http.StatusMethodNotAllowed, head.StatusCode, "there is no GET")
	require.Contains(t, head.Header.Get("Allow"), "POST")
}

func TestOptions(t *testing.T) {
	base := listening(t)
	response, content := over(t, "OPTIONS", base+failPath, nil)
	require.Equal(t, http.StatusNoContent, response.StatusCode)
	require.Empty(t, content)
	require.Contains(t, response.Header.Get("Allow"), "POST")
	require.Empty(t, response.Header.Get("Access-Control-Allow-Origin"), "pages of other sites may not call")
	response, _ = over(t, "OPTIONS", base+"/nowhere", nil)
	require.Equal(t, http.StatusNotFound, response.StatusCode)
}

func TestQueriesThatMissTheContract(t *testing.T) {
	base := listening(t)
	s, _ := failing(func() error { return nil })
	e := problemOf(t, call(s, "POST", failPath+"?nmae=y&dry=1", `{"name":"x"}`), 422, "validation")
	require.Len(t, e.Errors, 2)
	require.Equal(t, "query.dry", e.Errors[0].Location)
	require.Equal(t, "query.nmae", e.Errors[1].Location)
	for query, location := range map[string]string{"limit=3&limti=4": "query.limti", "limit=x": "query.limit", "limit=0": "query.limit"} {
		response, content := over(t, "GET", base+"/page?"+query, nil)
		require.Equal(t, http.StatusUnprocessableEntity, response.StatusCode, query)
		require.Contains(t, content, `"code":"validation"`)
		require.Contains(t, content, `"location":"`+location+`"`)
	}
}

func TestBodiesThatMissTheContract(t *testing.T) {
	s, log := failing(func() error { return nil })
	for name, body := range map[string]string{
		"two documents":        `{"name":"x"}{"name":"y"}`,
		"truncated":            `{"name":"x`,
		"a byte order mark":    "\ufeff" + `{"name":"x"}`,
		"not UTF-8":            "{\"name\":\"\xff\"}",
		"UTF-16":               "{\x00}\x00",
		"half a surrogate":     `{"name":"\ud83d"}`,
		"a surrogate in UTF-8": "{\"name\":\"\xed\xa0\x80\"}",
		"too deep":             strings.Repeat("[", 60_000),
		"NUL":                  "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			problemOf(t, call(s, "POST", failPath, body), 400, "validation")
		})
	}
	for body, location := range map[string]string{
		`{"name":7}`: "body.name", `{"name":null}`: "body.name", `{}`: "body", `{"name":"x","Name":"y"}`: "body.Name",
		`[]`: "body", `"x"`: "body", `7`: "body", `null`: "body",
	} {
		t.Run("wrong shape: "+body, func(t *testing.T) {
			e := problemOf(t, call(s, "POST", failPath, body), 422, "validation")
			require.Equal(t, location, e.Errors[0].Location)
		})
	}
	require.Empty(t, log.String(), "errors of clients are not logged")
}

// TestTooLargeWithoutALength: the limit also holds for a body of unknown length.
func TestTooLargeWithoutALength(t *testing.T) {
	base := listening(t)
	body := io.MultiReader(strings.NewReader(`{"name":"`), strings.NewReader(strings.Repeat("x", 65_536)), strings.NewReader(`"}`))
	response, content := over(t, "POST", base+failPath, body)
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode, content)
	require.Contains(t, content, `"code":"body_too_large"`)
}

// TestAnswerBeforeTheBodyIsRead: a client that sends Connection: close and more than is read receives the answer and
// not a reset connection.
func TestAnswerBeforeTheBodyIsRead(t *testing.T) {
	base := listening(t)
	for _, size := range []int{200_000, 5_000_000} {
		for range 20 {
			conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			require.NoError(t, err)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
					failPath, size, strings.Repeat("x", size)) // the server may stop reading
			}()
			if size < 1<<20 {
				<-sent // so that all of it has arrived when the server has read enough
			}
			answer, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Contains(t, string(answer), `"code":"body_too_large"`)
			require.NoError(t, conn.Close())
			<-sent
		}
	}
}
