package web

import (
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
)

// Write is embedded in the input of an operation that changes something and
// has a body.
type Write struct {
	Action
	// RawBody is good until the operation answers.
	RawBody []byte
}

// Action is embedded in the input of an operation that changes something
// without a body.
type Action struct {
	Key string `header:"Idempotency-Key" doc:"1-128 visible ASCII characters, such as a UUID. A retry with the same key answers as the first request did; another request with it is refused with 409 idempotency_key_reused."`

	method, path string
}

// Resolve refuses a malformed key, and a query, which no write takes. It is
// called by huma.
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

// unknownQuery names the parameters that a request has and its operation not.
func unknownQuery(request *http.Request) (errs []error) {
	for _, name := range slices.Sorted(maps.Keys(request.URL.Query())) {
		errs = append(errs, &huma.ErrorDetail{Message: "unknown query parameter", Location: "query." + name})
	}
	return errs
}

// Request returns what makes a retry the same request, for a fingerprint:
// the method and the path, and the body as it came.
func (w *Write) Request() [][]byte { return [][]byte{[]byte(w.method), []byte(w.path), w.RawBody} }

// Request returns what makes a retry the same request, for a fingerprint.
func (a *Action) Request() [][]byte { return [][]byte{[]byte(a.method), []byte(a.path)} }

// Written is embedded in the output of an operation that changes something.
type Written struct {
	Position string `header:"Ping-Position" doc:"Where the change is in the log; a read that sends it as Ping-Min-Position sees the change." example:"7:1042"`
	Replayed string `header:"Idempotent-Replayed" doc:"true when this answers a retry: the change had been made before."`
}

// WrittenAt is Written for a change at the given place of the log.
func WrittenAt(position string, replayed bool) Written {
	w := Written{Position: position}
	if replayed {
		w.Replayed = "true"
	}
	return w
}

var _ huma.Resolver = (*Action)(nil)
