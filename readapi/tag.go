package readapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Conditional is embedded in the input of a read of one thing.
type Conditional struct {
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of an earlier answer: 304 without a body when nothing has changed since."`
}

// tagged is the answer of a read of one thing.
type tagged[T any] struct {
	Status int
	ETag   string `header:"ETag" doc:"Changes with the answer."`
	Body   *T
}

// tag makes an operation's result of a value, or of no value when the client
// has it already.
func tag[T any](have string, body T, err error) (*tagged[T], error) {
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	etag := `"` + strconv.FormatUint(xxhash.Sum64(encoded), 36) + `"`
	for one := range strings.SplitSeq(have, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == etag || one == "*" {
			return &tagged[T]{Status: http.StatusNotModified, ETag: etag}, nil
		}
	}
	return &tagged[T]{Status: http.StatusOK, ETag: etag, Body: &body}, nil
}
