package web

import (
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
)

// Write is embedded in the input of a write with a body.
type Write struct {
	Action
	// RawBody is valid until the operation answers.
	RawBody []byte
}

// Action is embedded in the input of a write without a body.
type Action struct {
	Key string `header:"Idempotency-Key" doc:"1-128 visible ASCII characters, such as a UUID. A retry with the same key answers as the first request did; another request with it is refused with 409 idempotency_key_reused."`

	method, path string
}

// Resolve refuses a malformed key, and query parameters, which no write has. It implements huma.Resolver.
func (a *Action) Resolve(ctx huma.Context) []error {
	request := humaecho.Unwrap(ctx).Request()
	a.method, a.path = request.Method, request.URL.Path
	if keys := request.Header["Idempotency-Key"]; len(keys) > 1 || (len(keys) == 1 && !visible(keys[0])) {
		return []error{newError(ErrKeyInvalid, nil)}
	}
	if request.URL.RawQuery != "" {
		return unknownQuery(request)
	}
	return nil
}

// unknownQuery reports each query parameter of a request as unknown.
func unknownQuery(request *http.Request) (errs []error) {
	for _, name := range slices.Sorted(maps.Keys(request.URL.Query())) {
		errs = append(errs, &huma.ErrorDetail{Message: "unknown query parameter", Location: "query." + name})
	}
	return errs
}

// Request returns what a retry has in common with its original, for a fingerprint: the method, the path and the body as
// received.
func (w *Write) Request() [][]byte { return [][]byte{[]byte(w.method), []byte(w.path), w.RawBody} }

// Request returns what a retry has in common with its original, for a fingerprint.
func (a *Action) Request() [][]byte { return [][]byte{[]byte(a.method), []byte(a.path)} }

// Written is embedded in the output of a write.
type Written struct {
	Position string `header:"Ping-Position" doc:"The position of the change in the log. A read that sends it as Ping-Min-Position includes the change." example:"7:1042"`
	Replayed string `header:"Idempotent-Replayed" doc:"true for the answer to a retry: an earlier request made the change."`
}

// WrittenAt is Written for a change at the given position in the log.
func WrittenAt(position string, replayed bool) Written {
	w := Written{Position: position}
	if replayed {
		w.Replayed = "true"
	}
	return w
}

var _ huma.Resolver = (*Action)(nil)
