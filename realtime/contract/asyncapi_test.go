package contract_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/internal/eventlog"
	"ping/realtime/contract"
	"ping/realtime/contract/contracttest"
	"ping/realtime/protocol"
)

// TestAsyncAPI checks the document against AsyncAPI 3.0 and its sources.
func TestAsyncAPI(t *testing.T) {
	c := contracttest.New(t)
	t.Run("has the version that it names", func(t *testing.T) {
		require.Equal(t, "3.0.0", c.Document["asyncapi"])
		require.Equal(t, []string{"asyncapi", "channels", "components", "defaultContentType", "info", "operations"},
			slices.Sorted(maps.Keys(c.Document)))
		info := contracttest.At(c.Document, "info")
		require.NotEmpty(t, info["title"])
		require.NotEmpty(t, info["version"])
		require.NotEmpty(t, c.Document["defaultContentType"])
		for folder := range contracttest.At(c.Document, "components") {
			for key := range contracttest.At(c.Document, "components", folder) {
				require.Regexp(t, `^[a-zA-Z0-9._-]+$`, key)
			}
		}
	})
	t.Run("has no broken reference", func(t *testing.T) {
		refer(t, c.Document, c.Document)
	})
	t.Run("has each message in one operation", func(t *testing.T) {
		inOperations := map[string]bool{}
		for name, operation := range contracttest.At(c.Document, "operations") {
			operation := operation.(map[string]any)
			require.Contains(t, []any{"send", "receive"}, operation["action"], name)
			require.Equal(t, "#/channels/stream", operation["channel"].(map[string]any)["$ref"])
			require.NotEmpty(t, operation["security"])
			for _, m := range operation["messages"].([]any) {
				key, found := strings.CutPrefix(m.(map[string]any)["$ref"].(string), "#/channels/stream/messages/")
				require.True(t, found)
				require.Equal(t, operation["action"] == "receive", strings.HasPrefix(key, "client."), key)
				require.False(t, inOperations[key], "%s is in two operations", key)
				inOperations[key] = true
			}
		}
		for key := range contracttest.At(c.Document, "components", "messages") {
			require.True(t, inOperations[key], key)
			require.Contains(t, contracttest.At(c.Document, "channels", "stream", "messages"), key)
		}
	})
	t.Run("has examples that are valid", func(t *testing.T) {
		for key := range contracttest.At(c.Document, "components", "messages") {
			examples := contracttest.At(c.Document, "components", "messages", key)["examples"].([]any)
			require.NotEmpty(t, examples)
			for _, example := range examples {
				payload, err := json.Marshal(example.(map[string]any)["payload"])
				require.NoError(t, err)
				require.NoError(t, c.Check(key[:strings.LastIndex(key, ".")+1], payload), key)
			}
		}
	})
	t.Run("permits unknown fields", func(t *testing.T) {
		for key, s := range contracttest.At(c.Document, "components", "schemas") {
			require.NotContains(t, s, "additionalProperties", key)
			for name, property := range contracttest.At(s.(map[string]any), "properties") {
				property := property.(map[string]any)
				require.True(t, property["type"] != nil || property["$ref"] != nil, "%s.%s may be anything", key, name)
			}
		}
	})
	t.Run("has every code", func(t *testing.T) {
		codes := contracttest.At(c.Document, "components", "schemas", "ErrorFrame", "properties", "code")["enum"].([]any)
		require.Len(t, codes, len(protocol.Refusals))
		for _, why := range protocol.Refusals {
			require.Contains(t, codes, why.Code)
		}
		closing := contracttest.At(c.Document, "channels", "stream")["x-close-codes"].([]any)
		require.Len(t, closing, len(protocol.CloseReasons))
		for _, one := range closing {
			one := one.(map[string]any)
			number, err := one["code"].(json.Number).Int64()
			require.NoError(t, err)
			require.Equal(t, protocol.CloseReasons[protocol.CloseCode(number)].Name, one["name"])
			require.Equal(t, protocol.CloseCode(number).Reconnect(), one["reconnect"])
			require.NotEmpty(t, one["reason"])
		}
	})
}

// refer follows every $ref below a value.
func refer(t *testing.T, document map[string]any, value any) {
	t.Helper()
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			refer(t, document, v)
		}
	case map[string]any:
		if ref, ok := value["$ref"].(string); ok {
			path, found := strings.CutPrefix(ref, "#/")
			require.True(t, found, ref)
			require.NotNil(t, contracttest.At(document, strings.Split(path, "/")...), ref)
			require.Len(t, value, 1, "readers ignore the siblings of $ref")
		}
		for _, v := range value {
			refer(t, document, v)
		}
	}
}

// TestContractOfGoldens checks the golden frames against the document, and the
// golden events in the form in which the log sends them.
func TestContractOfGoldens(t *testing.T) {
	c := contracttest.New(t)
	seen := contracttest.NewSeen()
	for _, file := range contracttest.Files(t, "../protocol/testdata/frames/*.json") {
		payload, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, c.Check("", payload), file)
		seen.Add("", payload)
	}
	for _, file := range contracttest.Files(t, "../../domain/testdata/events/*.json") {
		require.NoError(t, c.Check("", goldenEvent(t, file)), file)
		seen.Add("", goldenEvent(t, file))
	}
	for key := range c.Messages {
		if !strings.HasPrefix(key, "client.") {
			require.NotZero(t, seen.Frames[key], "%s has no golden frame", key)
		}
	}
	for _, e := range contract.DurableEvents {
		require.NotZero(t, seen.Frames["event "+e.Event.Type()], "%s has no golden payload", e.Event.Type())
	}
}

// TestContractRefuses checks that the document does not accept everything.
func TestContractRefuses(t *testing.T) {
	c := contracttest.New(t)
	for _, wrong := range []string{
		`{"type":"shout"}`,
		`{"type":"pong","re":7}`,
		`{"type":"pong","extra":1}`,
		`{"type":"gap","from_seq":1,"to_seq":2}`,
		`{"type":"error","code":"made_up","message":"x"}`,
		`{"type":"resumed","replayed":0,"at":["7-1"]}`,
		`{"type":"presence","user_id":"x","state":"away","last_seen":null}`,
		`{"type":"event","event":"message.sent"}`,
	} {
		require.Error(t, c.Check("", []byte(wrong)), wrong)
	}
	sent := goldenEvent(t, "../../domain/testdata/events/message.sent.json")
	require.Error(t, c.Check("", []byte(strings.Replace(string(sent), "message.sent", "message.pinned", 1))))
	require.Error(t, c.Check("", []byte(strings.Replace(string(sent), "conversation_id", "user_id", 1))))
	require.Error(t, c.Check("client.", []byte(`{"type":"presence","state":"busy"}`)))
	require.Error(t, c.Check("client.", []byte(`{"type":"refresh"}`)))
}

// goldenEvent makes the frame of a golden payload.
func goldenEvent(t *testing.T, file string) []byte {
	t.Helper()
	e := contracttest.EventOfFile(t, file)
	frame := map[string]any{
		"type": "event", "at": "7:1042", "seq": 42, "event": e.Type(), "id": eventlog.NewID(), "actor_id": eventlog.NewID(),
		"recorded_at": "2026-01-02T03:04:05.123456Z", "data": e,
	}
	if strings.HasPrefix(e.Type(), "user.") {
		frame["user_id"] = eventlog.NewID()
	} else {
		frame["conversation_id"] = eventlog.NewID()
	}
	payload, err := json.Marshal(frame)
	require.NoError(t, err)
	return payload
}

// TestClientFrames checks that the frames of clients in the document have the
// fields of the one struct that the server reads them into.
func TestClientFrames(t *testing.T) {
	fields := func(of any) map[string]reflect.Type {
		found := map[string]reflect.Type{}
		for field := range reflect.TypeOf(of).Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			found[name] = field.Type
		}
		return found
	}
	read, told := fields(protocol.ClientFrame{}), map[string]reflect.Type{}
	for typ, f := range contract.ClientFrames {
		for name, of := range fields(f.Zero) {
			require.Equal(t, of, read[name], "%s.%s is read differently", typ, name)
			told[name] = of
		}
	}
	require.Equal(t, read, told, "each field of ClientFrame belongs to a frame")

}
