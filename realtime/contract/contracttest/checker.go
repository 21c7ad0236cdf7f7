// Package contracttest holds the frames of a test to the AsyncAPI document.
package contracttest

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"ping/realtime/contract"
)

// Checker is the compiled AsyncAPI document.
type Checker struct {
	Document map[string]any
	Messages map[string]*jsonschema.Schema // by key; those of clients begin with "client."
}

// compile compiles the document that clients are given, but stricter: a field
// that the document does not describe is an error.
var compile = sync.OnceValues(func() (*Checker, error) {
	content, err := contract.Document()
	if err != nil {
		return nil, err
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	c := &Checker{Document: parsed.(map[string]any), Messages: map[string]*jsonschema.Schema{}}
	strict, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	for _, s := range At(strict.(map[string]any), "components", "schemas") {
		if s := s.(map[string]any); s["properties"] != nil && s["discriminator"] == nil {
			s["additionalProperties"] = false
		}
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("asyncapi.json", strict); err != nil {
		return nil, err
	}
	for key := range At(c.Document, "components", "messages") {
		pointer := strings.ReplaceAll(At(c.Document, "components", "messages", key, "payload")["$ref"].(string), "~", "~0")
		if c.Messages[key], err = compiler.Compile("asyncapi.json" + pointer); err != nil {
			return nil, err
		}
	}
	return c, nil
})

// New returns the checker, which all tests of a package share.
func New(t testing.TB) *Checker {
	t.Helper()
	c, err := compile()
	require.NoError(t, err)
	return c
}

// At returns the object at a path within an object.
func At(object map[string]any, path ...string) map[string]any {
	for _, key := range path {
		object, _ = object[key].(map[string]any)
	}
	return object
}

// Check returns nil for a frame that the contract describes, and else an error.
// The sender is "" for the server or "client.".
func (c *Checker) Check(sender string, payload []byte) error {
	frame, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return err
	}
	typ, _ := frame.(map[string]any)["type"].(string)
	schema := c.Messages[sender+typ]
	if schema == nil {
		return &unknownFrame{payload}
	}
	return schema.Validate(frame)
}

type unknownFrame struct{ payload []byte }

func (e *unknownFrame) Error() string { return "no frame of the contract: " + string(e.payload) }

// Seen counts the frames that the clients of a test received and sent, by their
// key in the contract, and events by their type.
type Seen struct {
	mu     sync.Mutex
	Frames map[string]int
	Errors map[string]int // error frames by code
}

// NewSeen makes a counter.
func NewSeen() *Seen { return &Seen{Frames: map[string]int{}, Errors: map[string]int{}} }

// Add counts a frame that was checked. A nil Seen counts nothing.
func (s *Seen) Add(sender string, payload []byte) {
	if s == nil {
		return
	}
	var f struct{ Type, Event, Code string }
	_ = json.Unmarshal(payload, &f) // it was checked
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Frames[sender+f.Type]++
	switch f.Type {
	case "event":
		s.Frames["event "+f.Event]++
	case "error":
		s.Errors[f.Code]++
	}
}
