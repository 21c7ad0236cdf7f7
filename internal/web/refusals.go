package web

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/checkpoint"
)

// refusalsKey is the key of an operation's Metadata under which its own refusals are.
const refusalsKey = "refusals"

// Refuses adds to the contract the refusals that an operation may answer, besides those that follow from what it is
// (see refusalsOf).
func Refuses(op huma.Operation, refusals ...*domain.Error) huma.Operation {
	return withMetadata(op, refusalsKey, refusals)
}

// withMetadata adds an entry to an operation's Metadata.
func withMetadata(op huma.Operation, key string, value any) huma.Operation {
	metadata := map[string]any{key: value}
	maps.Copy(metadata, op.Metadata)
	op.Metadata = metadata
	return op
}

// refusalsOf returns every refusal that an operation may answer, sorted by code.
func refusalsOf(op *huma.Operation) []*domain.Error {
	refusals := []*domain.Error{errValidation, errInternal, errUnavailable}
	if own, ok := op.Metadata[refusalsKey].([]*domain.Error); ok {
		refusals = append(refusals, own...)
	}
	if _, limited := op.Metadata[limitKey]; limited {
		refusals = append(refusals, ErrRateLimited)
	}
	if len(op.Security) > 0 {
		refusals = append(refusals, ErrUnauthenticated)
	}
	if op.Method == http.MethodGet {
		refusals = append(refusals, checkpoint.ErrPosition, checkpoint.ErrBehind)
	} else {
		refusals = append(refusals, ErrKeyInvalid, errKeyReused, errOverloaded, errShuttingDown)
	}
	if op.RequestBody != nil {
		refusals = append(refusals, errBodyTooLarge, errMediaType, errRequestTimeout)
	}
	slices.SortFunc(refusals, func(a, b *domain.Error) int { return strings.Compare(a.Code, b.Code) })
	return slices.CompactFunc(refusals, func(a, b *domain.Error) bool { return a.Code == b.Code })
}

// documentRefusals adds the operation's refusals to the contract, by status.
func documentRefusals(api *huma.OpenAPI, op *huma.Operation) {
	delete(op.Responses, "default")
	schema := errorSchema(api.Components.Schemas)
	for _, refusal := range refusalsOf(op) {
		documentCode(api.Components.Schemas.SchemaFromRef(schema.Ref), refusal.Code)
		status := statusOf(refusal)
		key := strconv.Itoa(status)
		r := op.Responses[key]
		if r == nil {
			r = &huma.Response{Content: map[string]*huma.MediaType{"application/problem+json": {
				Schema: schema, Example: &Error{Title: title(status), Status: status, Detail: refusal.Message, Code: refusal.Code},
			}}}
			op.Responses[key] = r
		}
		r.Description = strings.TrimPrefix(r.Description+", "+refusal.Code, ", ")
		if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
			r.Headers = map[string]*huma.Param{"Retry-After": {
				Description: "The number of seconds after which to retry.", Schema: &huma.Schema{Type: huma.TypeInteger}, Example: 1,
			}}
		}
	}
}

// errorSchema is the schema of Error, whose codes documentCode adds. Those given here belong to no operation.
func errorSchema(registry huma.Registry) *huma.Schema {
	ref := registry.Schema(reflect.TypeFor[Error](), true, "Error")
	for _, refusal := range []*domain.Error{errNotFound, errMethodNotAllowed, errClientClosed} {
		documentCode(registry.SchemaFromRef(ref.Ref), refusal.Code)
	}
	return ref
}

// documentCode adds a code to those of Error, in order.
func documentCode(schema *huma.Schema, code string) {
	known := schema.Properties["code"]
	i, found := slices.BinarySearchFunc(known.Enum, code, func(a any, b string) int { return strings.Compare(a.(string), b) })
	if !found {
		known.Enum = slices.Insert(known.Enum, i, any(code))
	}
}
