package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

var (
	someID    = domain.DerivedID([]byte("message"))
	someGroup = domain.DerivedID([]byte("group"))
)

// eventFrame is a frame in the layout that servers write.
func eventFrame(partition int, position int64, conversation domain.ID, seq int64, name string, id domain.ID, body string) []byte {
	return frameWith(partition, position, conversation, seq, name, id, map[string]any{"body": body})
}

func frameWith(partition int, position int64, conversation domain.ID, seq int64, name string, id domain.ID, fields map[string]any) []byte {
	data, _ := json.Marshal(fields) // strings and ids are always encoded
	return fmt.Appendf(nil, `{"type":"event","at":"%d:%d","conversation_id":"%s","seq":%d,"event":"%s","id":"%s","actor_id":"%s","recorded_at":"2026-01-02T03:04:05.123456Z","data":%s}`,
		partition, position, conversation, seq, name, id, someID, data)
}

func TestScanEvent(t *testing.T) {
	want := Event{Partition: 7, Position: 1042, Conversation: []byte(someGroup.String()), Seq: 12, Name: []byte("message.sent"), ID: someID}

	t.Run("reads the layout of servers", func(t *testing.T) {
		e, ok := scanEvent(eventFrame(7, 1042, someGroup, 12, "message.sent", someID, "hi"))
		require.True(t, ok)
		require.Equal(t, want, e)
	})
	t.Run("leaves other layouts to the decoder", func(t *testing.T) {
		other := fmt.Sprintf(`{ "id":%q, "seq":12, "data":{"seq":99,"id":"x"}, "event":"message.sent", "type":"event", "conversation_id":%q, "at":"7:1042"}`, someID, someGroup)
		_, ok := scanEvent([]byte(other))
		require.False(t, ok)
		e, err := decodeEvent([]byte(other))
		require.NoError(t, err)
		require.Equal(t, want, e)
	})
	t.Run("leaves changes of members to the decoder", func(t *testing.T) {
		b := frameWith(7, 1042, someGroup, 12, "member.removed", someGroup, map[string]any{"user_id": someID})
		_, ok := scanEvent(b)
		require.False(t, ok)
		e, err := decodeEvent(b)
		require.NoError(t, err)
		require.Equal(t, "member.removed", string(e.Name))
		require.Equal(t, someID, e.Member)
	})
	t.Run("leaves a users event to the decoder", func(t *testing.T) {
		b := []byte(strings.Replace(string(eventFrame(7, 1042, someGroup, 12, "user.registered", someID, "")), "conversation_id", "user_id", 1))
		_, ok := scanEvent(b)
		require.False(t, ok)
		e, err := decodeEvent(b)
		require.NoError(t, err)
		require.Empty(t, e.Conversation)
	})
	t.Run("accepts no prefix as an event", func(t *testing.T) {
		whole := eventFrame(7, 1042, someGroup, 12, "message.sent", someID, "")
		end := strings.Index(string(whole), `,"actor_id"`)
		for i := range end {
			_, ok := scanEvent(whole[:i])
			require.False(t, ok, "%s", whole[:i])
		}
	})
	t.Run("refuses what is no position", func(t *testing.T) {
		for _, at := range []string{"", "7", "7:", ":1", "7:-1", "300:1", "a:b"} {
			_, err := decodeEvent([]byte(`{"at":"` + at + `"}`))
			require.Error(t, err, at)
		}
	})
}

// FuzzScanEvent: what is read quickly is what the decoder reads.
func FuzzScanEvent(f *testing.F) {
	f.Add(uint8(7), int64(1042), int64(12), "message.sent", "hello", []byte(`"seq":3`))
	f.Fuzz(func(t *testing.T, partition uint8, position, seq int64, name, body string, raw []byte) {
		b := eventFrame(int(partition), position, someGroup, seq, name, someID, body)
		if e, ok := scanEvent(b); ok {
			if decoded, err := decodeEvent(b); err == nil {
				require.Equal(t, decoded, e)
			}
		}
		scanEvent(raw)
		_, _ = decodeEvent(raw) // neither may panic
		_, _ = readAnswer(raw)
	})
}

func TestReadAnswer(t *testing.T) {
	want := answer{id: someID, seq: 9}
	fields := fmt.Sprintf(`"id":%q,"conversation_id":%q,"seq":9,"author_id":%q,"body":"\"seq\":1"`, someID, someGroup, someGroup)
	for name, text := range map[string]string{
		"in the order of the contract": `{` + fields + `}`,
		"with a schema":                `{"$schema":"http://127.0.0.1/schemas/Message.json",` + fields + `}`,
		"in another order":             fmt.Sprintf(`{"seq":9,"body":"x","id":%q}`, someID),
		"with white space":             fmt.Sprintf("{\n \"id\": %q, \"seq\": 9}", someID),
	} {
		t.Run("reads a message "+name, func(t *testing.T) {
			got, err := readAnswer([]byte(text))
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "{", "another object": `{"id":"` + someID.String() + `"}`, "no id": `{"seq":4}`, "a seq below 1": fmt.Sprintf(`{"id":%q,"seq":0}`, someID),
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			_, err := readAnswer([]byte(text))
			require.Error(t, err)
		})
	}
}

func TestParseUUID(t *testing.T) {
	var id domain.ID
	require.True(t, parseUUID([]byte(strings.ToUpper(someID.String())), &id))
	require.Equal(t, someID, id)
	for _, bad := range []string{"", someID.String()[1:], strings.Replace(someID.String(), "-", "0", 1), "g" + someID.String()[1:]} {
		require.False(t, parseUUID([]byte(bad), &id), bad)
	}
}
