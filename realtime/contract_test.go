package realtime

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// contract is the AsyncAPI document as a test holds frames to it.
type contract struct {
	document map[string]any
	messages map[string]*jsonschema.Schema // by key, those of clients with "client."
}

// readContract compiles the document that clients are given, but stricter: a
// field that it does not tell of is a fault here.
var readContract = sync.OnceValues(func() (*contract, error) {
	content, err := asyncAPI()
	if err != nil {
		return nil, err
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	c := &contract{document: parsed.(map[string]any), messages: map[string]*jsonschema.Schema{}}
	strict, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	for _, s := range at(strict.(map[string]any), "components", "schemas") {
		if s := s.(map[string]any); s["properties"] != nil && s["discriminator"] == nil {
			s["additionalProperties"] = false
		}
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("asyncapi.json", strict); err != nil {
		return nil, err
	}
	for key := range at(c.document, "components", "messages") {
		pointer := strings.ReplaceAll(at(c.document, "components", "messages", key, "payload")["$ref"].(string), "~", "~0")
		if c.messages[key], err = compiler.Compile("asyncapi.json" + pointer); err != nil {
			return nil, err
		}
	}
	return c, nil
})

func theContract(t testing.TB) *contract {
	t.Helper()
	c, err := readContract()
	require.NoError(t, err)
	return c
}

// at returns the object at a path within an object.
func at(object map[string]any, path ...string) map[string]any {
	for _, key := range path {
		object, _ = object[key].(map[string]any)
	}
	return object
}

// check returns why a frame is not as the contract has it; nil when it is. Who
// sends it is "" or "client.".
func (c *contract) check(sender string, payload []byte) error {
	frame, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return err
	}
	typ, _ := frame.(map[string]any)["type"].(string)
	schema := c.messages[sender+typ]
	if schema == nil {
		return &unknownFrame{payload}
	}
	return schema.Validate(frame)
}

type unknownFrame struct{ payload []byte }

func (e *unknownFrame) Error() string { return "no frame of the contract: " + string(e.payload) }

// seenFrames counts the frames that clients of a test saw and sent, by their
// key in the contract, and events by their type.
type seenFrames struct {
	mu    sync.Mutex
	seen  map[string]int
	error map[string]int // error frames by code
}

func newSeenFrames() *seenFrames {
	return &seenFrames{seen: map[string]int{}, error: map[string]int{}}
}

func (s *seenFrames) add(sender string, payload []byte) {
	if s == nil {
		return
	}
	var f struct{ Type, Event, Code string }
	_ = json.Unmarshal(payload, &f) // it was checked
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[sender+f.Type]++
	switch f.Type {
	case "event":
		s.seen["event "+f.Event]++
	case "error":
		s.error[f.Code]++
	}
}
