package web

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// refusalsKey is where an operation's metadata names its own refusals.
const refusalsKey = "refusals"

// Refuses names the codes that an operation may answer beside those that follow
// from what it is (see refusalsOf), for the contract.
func Refuses(op huma.Operation, codes ...string) huma.Operation {
	return withMetadata(op, refusalsKey, codes)
}

// withMetadata notes something with an operation.
func withMetadata(op huma.Operation, key string, value any) huma.Operation {
	metadata := map[string]any{key: value}
	maps.Copy(metadata, op.Metadata)
	op.Metadata = metadata
	return op
}

// refusalsOf returns every code that an operation may answer, sorted.
func refusalsOf(op *huma.Operation) []string {
	codes := []string{"validation", "internal", "unavailable", "client_gone"}
	if own, ok := op.Metadata[refusalsKey].([]string); ok {
		codes = append(codes, own...)
	}
	if _, limited := op.Metadata[limitKey]; limited {
		codes = append(codes, errRateLimited.Code)
	}
	if len(op.Security) > 0 {
		codes = append(codes, ErrUnauthenticated.Code)
	}
	if op.Method == http.MethodGet {
		codes = append(codes, "position_invalid", "behind")
	} else {
		codes = append(codes, ErrKeyInvalid.Code, errKeyReused.Code, errOverloaded.Code, errShuttingDown.Code)
	}
	if op.RequestBody != nil {
		codes = append(codes, "body_too_large", "unsupported_media_type", "request_timeout")
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// documentRefusals writes the operation's refusals into the contract, by their
// status.
func documentRefusals(api *huma.OpenAPI, op *huma.Operation) {
	delete(op.Responses, "default")
	schema := errorSchema(api.Components.Schemas)
	for _, code := range refusalsOf(op) {
		status := statuses[code]
		if status == 0 {
			panic("operation " + op.OperationID + " names the unknown code " + code) // at start, so a test sees it
		}
		if status == statusClientGone {
			continue // nobody is there to read it
		}
		key := strconv.Itoa(status)
		r := op.Responses[key]
		if r == nil {
			r = &huma.Response{Content: map[string]*huma.MediaType{"application/problem+json": {
				Schema: schema, Example: &Error{Title: title(status), Status: status, Detail: detailOf(code), Code: code},
			}}}
			op.Responses[key] = r
		}
		r.Description = strings.TrimPrefix(r.Description+", "+code, ", ")
		if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
			r.Headers = map[string]*huma.Param{"Retry-After": {
				Description: "Seconds after which to try again.", Schema: &huma.Schema{Type: huma.TypeInteger}, Example: 1,
			}}
		}
	}
}

// detailOf explains a code in an example.
func detailOf(code string) string {
	return strings.ReplaceAll(code, "_", " ") + ": what happened and what to do."
}

// errorSchema is that of Error, with every code.
func errorSchema(registry huma.Registry) *huma.Schema {
	of := reflect.TypeFor[Error]()
	ref := registry.Schema(of, true, "Error")
	code := registry.SchemaFromRef(ref.Ref).Properties["code"]
	if code.Enum == nil {
		for _, known := range slices.Sorted(maps.Keys(statuses)) {
			code.Enum = append(code.Enum, known)
		}
	}
	return ref
}
