package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"

	"ping/docs"
)

var (
	//go:embed docs/introduction.md
	introduction string
	//go:embed docs/reference.html
	referencePage []byte
	//go:embed docs/start.js
	startScript []byte
	//go:embed docs/scalar/scalar.js.gz
	viewerScript []byte
	//go:embed docs/protocol.html
	protocolShell string
)

// docsPolicy lets the pages run scripts of this server and call this server only.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// serveDocs serves the contract, its viewer and the protocol of the socket. Nothing of it comes from another host.
func (s *Server) serveDocs() {
	// The document is complete once the server serves: it is made at first use.
	openAPI := sync.OnceValues(func() ([]byte, error) {
		addExamples(s.API.OpenAPI())
		return json.Marshal(s.API.OpenAPI())
	})
	protocol := sync.OnceValues(protocolPage)
	s.Echo.GET("/openapi.json", func(c echo.Context) error {
		doc, err := openAPI()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/openapi+json", doc)
	})
	s.Echo.GET("/docs", func(c echo.Context) error { return docsHTML(c, referencePage) })
	s.Echo.GET("/docs/protocol", func(c echo.Context) error {
		page, err := protocol()
		if err != nil {
			return err
		}
		return docsHTML(c, page)
	})
	s.Echo.GET("/docs/start.js", func(c echo.Context) error { return c.Blob(http.StatusOK, scriptType, startScript) })
	s.Echo.GET("/docs/scalar.js", serveViewer)
}

// tags group the operations, in the order in which a new client needs them.
var tags = []*huma.Tag{
	{Name: "auth", Description: "Accounts and sessions."},
	{Name: "users", Description: "Profiles, blocks, and what a user may do with their own data."},
	{Name: "conversations", Description: "Direct and group conversations, what is unread in them, and their events."},
	{Name: "members", Description: "Members of a conversation and their roles: owner, admin, member and reader."},
	{Name: "messages", Description: "Messages, reactions, pins and search."},
	{Name: "stealth", Description: "Messages that are never stored and expire."},
	{Name: "presence", Description: "Online state and typing."},
	{Name: "stream", Description: "The WebSocket on which events arrive. [Its protocol](/docs/protocol) is a document of its own."},
}

const scriptType = "text/javascript; charset=utf-8"

func docsHTML(c echo.Context, page []byte) error {
	c.Response().Header().Set("Content-Security-Policy", docsPolicy)
	return c.HTMLBlob(http.StatusOK, page)
}

// viewerTag changes with the viewer, so that browsers load its megabytes once.
var viewerTag = fmt.Sprintf(`"%x"`, sha256.Sum256(viewerScript))

// serveViewer answers with the viewer as it is embedded, compressed, except to clients that cannot read that.
func serveViewer(c echo.Context) error {
	header := c.Response().Header()
	header.Set("Content-Type", scriptType)
	header.Set("Vary", "Accept-Encoding")
	header.Set("Cache-Control", "no-cache") // ask, with the ETag, whether it has changed
	if strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		header.Set("ETag", viewerTag)
		http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(viewerScript))
		return nil
	}
	script, err := gzip.NewReader(bytes.NewReader(viewerScript))
	if err != nil {
		return err
	}
	_, err = io.Copy(c.Response(), script)
	return err
}

// protocolPage renders the protocol of the socket.
func protocolPage() ([]byte, error) {
	markdown := goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
	var body bytes.Buffer
	if err := markdown.Convert([]byte(docs.Protocol), &body); err != nil {
		return nil, fmt.Errorf("render the protocol: %w", err)
	}
	return []byte(strings.Replace(protocolShell, "<!-- protocol -->", body.String(), 1)), nil
}
