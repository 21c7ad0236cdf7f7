package readapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Conditional is embedded in the input of a read of one item.
type Conditional struct {
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of an earlier answer. If nothing has changed since, the answer is 304 without a body."`
}

// tagged is the answer of a read of one item.
type tagged[T any] struct {
	Status int
	ETag   string `header:"ETag" doc:"Changes with the answer."`
	Body   *T
}

// tag makes the result of an operation from a value. The result has no body if the client has the same value already,
// according to its If-None-Match.
func tag[T any](ifNoneMatch string, body T, err error) (*tagged[T], error) {
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	etag := `"` + strconv.FormatUint(xxhash.Sum64(encoded), 36) + `"`
	for one := range strings.SplitSeq(ifNoneMatch, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == etag || one == "*" {
			return &tagged[T]{Status: http.StatusNotModified, ETag: etag}, nil
		}
	}
	return &tagged[T]{Status: http.StatusOK, ETag: etag, Body: &body}, nil
}
