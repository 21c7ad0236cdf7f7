package web

import (
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"ping/domain"
)

// maxBody bounds a request's body, in bytes. The greatest that is allowed is
// a message of 4,000 characters, each written as two \u escapes: 48,000.
const maxBody = 64 << 10

// maxDrained bounds what is read of a body that nobody wants, in bytes.
const maxDrained = 256 << 10

// Server is the HTTP side of Ping. Operations are registered on API; what is
// no JSON operation, such as the WebSocket, on Echo.
type Server struct {
	Echo *echo.Echo
	API  huma.API
}

// New makes a server without operations. It answers in problem+json
// throughout, serves the contract at /openapi.json and its rendering at /docs.
func New(logger *slog.Logger) *Server {
	setUpHuma()
	e := echo.New()
	e.HTTPErrorHandler = errorHandler(logger)
	e.Use(observe(logger))

	registry := Schemas()
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "Ping",
				Version:     "1",
				Description: introduction,
			},
			Tags: tags,
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
				},
			},
			OnAddOperation: []huma.AddOpFunc{shapeOperation},
		},
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{logFaults(logger)},
	}
	s := &Server{Echo: e, API: humaecho.New(e, config)}
	s.serveDocs()
	return s
}

// HTTPServer makes the net/http server for addr with the time limits that
// keep a slow or idle client from holding a connection. ReadTimeout is far
// above any handler's time: when it passes, a running request is cancelled.
func (s *Server) HTTPServer(addr string) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// serve answers HEAD as GET: net/http leaves out the body. A stream is opened
// by GET alone.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.Close && r.ContentLength != 0 && r.Header.Get("Upgrade") == "" {
		defer drain(w, r.Body)
		r.Body = io.NopCloser(r.Body) // huma closes what it does not read to the end
	}
	if r.Method == http.MethodHead && r.Header.Get("Upgrade") == "" {
		get := *r // net/http looks at the method of its own
		get.Method = http.MethodGet
		r = &get
	}
	s.Echo.ServeHTTP(w, r)
}

// drain reads what a handler has left of a body after which the connection is
// closed: else the kernel resets the connection, and the client may lose the
// answer. net/http does so by itself where it keeps the connection; past the
// bound it lets the client read the answer for a moment before it closes.
func drain(w http.ResponseWriter, body io.ReadCloser) {
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, body, maxDrained)) // the answer is made, whatever comes
}

// shapeOperation sets what holds for all operations.
func shapeOperation(api *huma.OpenAPI, op *huma.Operation) {
	checkLimit(op)
	op.MaxBodyBytes = min(op.MaxBodyBytes, maxBody)
	// HTTPServer's ReadTimeout bounds reading; a deadline a request would
	// cost a call into the poller on the path of every message.
	op.BodyReadTimeout = 0
	// Writes take no query at all: Action refuses it without parsing one.
	op.RejectUnknownQueryParameters = op.Method == http.MethodGet
	if op.RequestBody != nil {
		// The raw bytes are kept for the fingerprint, not another way in.
		delete(op.RequestBody.Content, "application/octet-stream")
	}
	documentRefusals(api, op)
}

// Schemas makes a registry of schemas that knows the domain's types: those know
// no OpenAPI.
func Schemas() huma.Registry {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[domain.ID](), reflect.TypeFor[uuidSchema]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.Role](), reflect.TypeFor[roleSchema]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.Kind](), reflect.TypeFor[kindSchema]())
	return registry
}

type (
	uuidSchema struct{}
	roleSchema struct{}
	kindSchema struct{}
)

func (uuidSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "uuid", Examples: []any{"0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b"}}
}

func (roleSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{"reader", "member", "admin", "owner"}}
}

func (kindSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{string(domain.Direct), string(domain.Group)}}
}
