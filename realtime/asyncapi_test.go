package realtime

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

// TestAsyncAPI holds the document to AsyncAPI 3.0 and to what it is made from.
func TestAsyncAPI(t *testing.T) {
	c := theContract(t)
	t.Run("is of the version that it says", func(t *testing.T) {
		require.Equal(t, "3.0.0", c.document["asyncapi"])
		require.Equal(t, []string{"asyncapi", "channels", "components", "defaultContentType", "info", "operations"},
			slices.Sorted(maps.Keys(c.document)))
		info := at(c.document, "info")
		require.NotEmpty(t, info["title"])
		require.NotEmpty(t, info["version"])
		require.NotEmpty(t, c.document["defaultContentType"])
		for folder := range at(c.document, "components") {
			for key := range at(c.document, "components", folder) {
				require.Regexp(t, regexp.MustCompile(`^[a-zA-Z0-9._-]+$`), key)
			}
		}
	})
	t.Run("refers to what is there", func(t *testing.T) {
		refer(t, c.document, c.document)
	})
	t.Run("has each message in one of its operations", func(t *testing.T) {
		inOperations := map[string]bool{}
		for name, operation := range at(c.document, "operations") {
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
		for key := range at(c.document, "components", "messages") {
			require.True(t, inOperations[key], key)
			require.Contains(t, at(c.document, "channels", "stream", "messages"), key)
		}
	})
	t.Run("has examples that are valid", func(t *testing.T) {
		for key := range at(c.document, "components", "messages") {
			examples := at(c.document, "components", "messages", key)["examples"].([]any)
			require.NotEmpty(t, examples)
			for _, example := range examples {
				payload, err := json.Marshal(example.(map[string]any)["payload"])
				require.NoError(t, err)
				require.NoError(t, c.check(key[:strings.LastIndex(key, ".")+1], payload), key)
			}
		}
	})
	t.Run("lets clients ignore fields that they do not know", func(t *testing.T) {
		for key, s := range at(c.document, "components", "schemas") {
			require.NotContains(t, s, "additionalProperties", key)
			for name, property := range at(s.(map[string]any), "properties") {
				property := property.(map[string]any)
				require.True(t, property["type"] != nil || property["$ref"] != nil, "%s.%s may be anything", key, name)
			}
		}
	})
	t.Run("has every code", func(t *testing.T) {
		codes := at(c.document, "components", "schemas", "ErrorFrame", "properties", "code")["enum"].([]any)
		require.Len(t, codes, len(refusals))
		for _, why := range refusals {
			require.Contains(t, codes, why.Code)
		}
		closing := at(c.document, "channels", "stream")["x-close-codes"].([]any)
		require.Len(t, closing, len(closeReasons))
		for _, one := range closing {
			one := one.(map[string]any)
			number, err := one["code"].(json.Number).Int64()
			require.NoError(t, err)
			require.Equal(t, closeReasons[CloseCode(number)].name, one["name"])
			require.Equal(t, CloseCode(number).Reconnect(), one["reconnect"])
			require.NotEmpty(t, one["reason"])
		}
	})
	t.Run("is served", func(t *testing.T) {
		n := newWorld(t).start(Config{})
		response, err := http.Get(strings.TrimSuffix(n.url, "/v1/stream") + "/asyncapi.json")
		require.NoError(t, err)
		defer http.DefaultClient.CloseIdleConnections()
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		made, err := asyncAPI()
		require.NoError(t, err)
		require.Equal(t, string(made), string(content))
		require.Equal(t, "application/vnd.aai.asyncapi+json;version=3.0.0", response.Header.Get("Content-Type"))
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
			require.NotNil(t, at(document, strings.Split(path, "/")...), ref)
			require.Len(t, value, 1, "what stands beside $ref is not read")
		}
		for _, v := range value {
			refer(t, document, v)
		}
	}
}

// TestContractOfGoldens holds the golden frames to the document, and the
// golden events as the log would send them.
func TestContractOfGoldens(t *testing.T) {
	c := theContract(t)
	seen := newSeenFrames()
	for _, file := range files(t, "testdata/frames/*.json") {
		payload, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, c.check("", payload), file)
		seen.add("", payload)
	}
	for _, file := range files(t, "../domain/testdata/events/*.json") {
		require.NoError(t, c.check("", goldenEvent(t, file)), file)
		seen.add("", goldenEvent(t, file))
	}
	for key := range c.messages {
		if !strings.HasPrefix(key, "client.") {
			require.NotZero(t, seen.seen[key], "%s has no golden frame", key)
		}
	}
	for _, e := range durableEvents {
		require.NotZero(t, seen.seen["event "+e.event.Type()], "%s has no golden payload", e.event.Type())
	}
}

// TestContractRefuses: a document that takes anything proves nothing.
func TestContractRefuses(t *testing.T) {
	c := theContract(t)
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
		require.Error(t, c.check("", []byte(wrong)), wrong)
	}
	sent := goldenEvent(t, "../domain/testdata/events/message.sent.json")
	require.Error(t, c.check("", []byte(strings.Replace(string(sent), "message.sent", "message.pinned", 1))))
	require.Error(t, c.check("", []byte(strings.Replace(string(sent), "conversation_id", "user_id", 1))))
	require.Error(t, c.check("client.", []byte(`{"type":"presence","state":"busy"}`)))
	require.Error(t, c.check("client.", []byte(`{"type":"refresh"}`)))
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

// eventOfFile returns the event of a golden payload, whose file has the type's
// name and perhaps, after a dot, what is special.
func eventOfFile(t *testing.T, file string) domain.Event {
	t.Helper()
	payload, err := os.ReadFile(file)
	require.NoError(t, err)
	parts := strings.Split(filepath.Base(file), ".")
	e, err := domain.DecodeEvent(parts[0]+"."+parts[1], domain.Schema, payload)
	require.NoError(t, err)
	return e
}

// goldenEvent makes the frame of a golden payload.
func goldenEvent(t *testing.T, file string) []byte {
	t.Helper()
	e := eventOfFile(t, file)
	frame := map[string]any{
		"type": "event", "at": "7:1042", "seq": 42, "event": e.Type(), "id": newID(), "actor_id": newID(),
		"recorded_at": "2026-01-02T03:04:05.123456Z", "data": e,
	}
	if strings.HasPrefix(e.Type(), "user.") {
		frame["user_id"] = newID()
	} else {
		frame["conversation_id"] = newID()
	}
	payload, err := json.Marshal(frame)
	require.NoError(t, err)
	return payload
}

// TestClientFrames ties what the document tells of clients' frames to the one
// struct that they are read into, and to what is answered to them.
func TestClientFrames(t *testing.T) {
	fields := func(of any) map[string]reflect.Type {
		found := map[string]reflect.Type{}
		for field := range reflect.TypeOf(of).Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			found[name] = field.Type
		}
		return found
	}
	read, told := fields(clientFrame{}), map[string]reflect.Type{}
	for typ, f := range clientFrames {
		for name, of := range fields(f.frame) {
			require.Equal(t, of, read[name], "%s.%s is not read so", typ, name)
			told[name] = of
		}
	}
	require.Equal(t, read, told, "each field of clientFrame is of some frame")

	n := newWorld(t).start(Config{})
	for typ := range clientFrames {
		c := n.open(newID())
		c.write(map[string]any{"type": typ, "id": "first"})
		c.write(map[string]any{"type": "ping", "id": "then"})
		known := true
		for {
			f, err := c.read(waitAtMost(t))
			if err != nil {
				break // a resume is too late
			}
			known = known && f.Code != errTypeUnknown.Code
			if f.Re == "then" {
				break
			}
		}
		require.True(t, known, typ)
	}
}
