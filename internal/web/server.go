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

// maxBody bounds a request's body, in bytes. The largest valid body is a message of 4,000 characters, each written as
// two \u escapes: 48,000 bytes.
const maxBody = 64 << 10

// maxDrained bounds how much of an unused body is read, in bytes.
const maxDrained = 256 << 10

// Server is the HTTP server of Ping. JSON operations are registered on API; other handlers, such as the WebSocket, on
// Echo.
type Server struct {
	Echo *echo.Echo
	API  huma.API
}

// New makes a server without operations. It serves the contract at /openapi.json and its documentation at /docs, and
// answers every error as problem+json.
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

// HTTPServer makes the net/http server for addr. Its timeouts keep slow and idle clients from holding connections.
// ReadTimeout is far above the time of any handler, because a request that still runs then is cancelled.
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

// serve answers HEAD as GET, and net/http omits the body. Only GET opens a WebSocket.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.Close && r.ContentLength != 0 && r.Header.Get("Upgrade") == "" {
		defer drain(w, r.Body)
		r.Body = io.NopCloser(r.Body) // huma closes a body that it does not read to its end
	}
	if r.Method == http.MethodHead && r.Header.Get("Upgrade") == "" {
		get := *r // a copy: net/http still needs the original's method
		get.Method = http.MethodGet
		r = &get
	}
	s.Echo.ServeHTTP(w, r)
}

// drain reads what a handler has left of a body after which the connection is closed. Otherwise the kernel resets the
// connection, and the client may lose the answer. net/http does the same for connections that it keeps. Beyond the
// bound it gives the client a moment to read the answer before it closes.
func drain(w http.ResponseWriter, body io.ReadCloser) {
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, body, maxDrained)) // the answer no longer depends on the body
}

// shapeOperation sets what all operations have in common.
func shapeOperation(api *huma.OpenAPI, op *huma.Operation) {
	checkLimit(op)
	op.MaxBodyBytes = min(op.MaxBodyBytes, maxBody)
	// HTTPServer's ReadTimeout bounds reading. A deadline per request would cost every message a call into the poller.
	op.BodyReadTimeout = 0
	// Writes have no query parameters: Action refuses a query without parsing it.
	op.RejectUnknownQueryParameters = op.Method == http.MethodGet
	if op.RequestBody != nil {
		// RawBody is for the fingerprint; huma would document it as another media type.
		delete(op.RequestBody.Content, "application/octet-stream")
	}
	documentRefusals(api, op)
}

// Schemas makes a registry with the schemas of the domain's types, which do not depend on OpenAPI themselves.
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
