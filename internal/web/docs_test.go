package web_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocs: the pages load what this server serves and nothing else.
func TestDocs(t *testing.T) {
	s, _ := echoServer(t)
	loaded := regexp.MustCompile(`(?:src|href|action|poster|srcset|data)="([^"]*)"|url\(([^)]*)\)|@import ([^;]*);`)
	for _, page := range []string{"/docs", "/docs/protocol"} {
		w := call(s, "GET", page, "")
		require.Equal(t, 200, w.Code, page)
		require.Contains(t, w.Header().Get("Content-Type"), "text/html")
		for directive := range strings.SplitSeq(w.Header().Get("Content-Security-Policy"), "; ") {
			name, sources, _ := strings.Cut(directive, " ")
			for source := range strings.FieldsSeq(sources) {
				require.Contains(t, []string{"'none'", "'self'", "'unsafe-inline'", "data:"}, source, "%s: %s", page, name)
			}
		}
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
		addresses := loaded.FindAllStringSubmatch(w.Body.String(), -1)
		require.NotEmpty(t, addresses)
		for _, found := range addresses {
			address := found[1] + found[2] + found[3]
			require.Regexp(t, `^(/[^/]|#|data:,)`, address, page)
			if strings.HasPrefix(address, "/docs") {
				require.Equal(t, 200, call(s, "GET", address, "").Code, address)
			}
		}
	}
	require.Contains(t, call(s, "GET", "/docs/protocol", "").Body.String(), `href="/docs"`)
	require.Contains(t, call(s, "GET", "/openapi.json", "").Body.String(), "(/docs/protocol)", "the introduction links to it")
}

// TestProtocolPage: headings have the anchors that the document links to, and its tables are tables.
func TestProtocolPage(t *testing.T) {
	s, _ := echoServer(t)
	page := call(s, "GET", "/docs/protocol", "").Body.String()
	anchors := regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1)
	require.NotEmpty(t, anchors)
	for _, anchor := range anchors {
		require.Contains(t, page, `id="`+anchor[1]+`"`)
	}
	require.Contains(t, page, "<table>")
	require.NotContains(t, page, "<!-- protocol -->")
}

// TestViewerSettings: the viewer has parts that ask its vendor's hosts; they stay off.
func TestViewerSettings(t *testing.T) {
	s, _ := echoServer(t)
	script := call(s, "GET", "/docs/start.js", "").Body.String()
	for _, off := range []string{"withDefaultFonts: false", "telemetry: false", `showDeveloperTools: "never"`, "hideClientButton: true",
		"agent: { disabled: true }", "mcp: { disabled: true }", "persistAuth: false"} {
		require.Contains(t, script, off)
	}
	require.NotContains(t, script, "proxyUrl")
	require.NotRegexp(t, `https?://`, script)
}

// TestViewer: the viewer is the file that fetch.sh names, and is served to clients with and without gzip.
func TestViewer(t *testing.T) {
	s, _ := echoServer(t)
	plain := call(s, "GET", "/docs/scalar.js", "")
	require.Equal(t, 200, plain.Code)
	require.Contains(t, plain.Header().Get("Content-Type"), "text/javascript")
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	fetch, err := os.ReadFile("docs/scalar/fetch.sh")
	require.NoError(t, err)
	sum := sha256.Sum256(plain.Body.Bytes())
	require.Contains(t, string(fetch), "\nsha256="+hex.EncodeToString(sum[:])+"\n")

	compressed := call(s, "GET", "/docs/scalar.js", "", "Accept-Encoding", "gzip, br")
	require.Equal(t, "gzip", compressed.Header().Get("Content-Encoding"))
	require.Contains(t, compressed.Header().Get("Content-Type"), "text/javascript")
	reader, err := gzip.NewReader(compressed.Body)
	require.NoError(t, err)
	content, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.True(t, bytes.Equal(plain.Body.Bytes(), content))

	known := call(s, "GET", "/docs/scalar.js", "", "Accept-Encoding", "gzip", "If-None-Match", compressed.Header().Get("ETag"))
	require.Equal(t, 304, known.Code)
	require.Empty(t, known.Body.Bytes())
}
