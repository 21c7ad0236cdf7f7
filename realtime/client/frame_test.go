package client

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	decoded := func(t *testing.T, text string) *frame {
		t.Helper()
		f, err := decode([]byte(text))
		require.NoError(t, err)
		return f
	}
	t.Run("an event", func(t *testing.T) {
		f := decoded(t, `{"type":"event","at":"7:9","conversation_id":"c","seq":3,"event":"message.sent","id":"i","actor_id":"a","recorded_at":"2026-01-02T03:04:05Z","data":{"body":"b"}}`)
		require.Equal(t, &Event{
			At: "7:9", ConversationID: "c", Seq: 3, Type: "message.sent", ID: "i", ActorID: "a",
			RecordedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Data: json.RawMessage(`{"body":"b"}`),
		}, f.event)
	})
	t.Run("an event of the user's own stream", func(t *testing.T) {
		require.Equal(t, "u", decoded(t, `{"type":"event","at":"7:9","user_id":"u","seq":3}`).event.stream())
	})
	t.Run("positions", func(t *testing.T) {
		require.Equal(t, []string{"0:1", "1:2"}, decoded(t, `{"type":"ready","at":["0:1","1:2"],"conversations":[{"id":"c","seq":3}]}`).At)
	})
	t.Run("ephemeral frames", func(t *testing.T) {
		require.Equal(t, &Ephemeral{Type: "presence", UserID: "u", State: "offline", LastSeen: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
			decoded(t, `{"type":"presence","user_id":"u","state":"offline","last_seen":"2026-01-02T03:04:05Z"}`).ephemeral)
		require.Equal(t, &Ephemeral{Type: "error", Code: "ephemeral_unavailable", Message: "m", RetryAfterMS: 1000},
			decoded(t, `{"type":"error","code":"ephemeral_unavailable","message":"m","retry_after_ms":1000}`).ephemeral)
	})
	t.Run("only the type of an unknown frame", func(t *testing.T) {
		require.Equal(t, &frame{Type: "later"}, decoded(t, `{"type":"later","at":{},"seq":"x"}`))
	})
	for _, bad := range []string{
		``, `[]`, `{"type":1}`, `{"type":"event"}`, `{"type":"event","at":"0:1","seq":1}`, `{"type":"ready","at":"0:1"}`,
		`{"type":"event","at":"0:1","conversation_id":"c","seq":0}`, `{"type":"typing","on":"yes"}`,
	} {
		t.Run("refuses "+bad, func(t *testing.T) {
			_, err := decode([]byte(bad))
			require.Error(t, err)
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"event","at":"7:9","conversation_id":"c","seq":3,"event":"message.sent","recorded_at":"2026-01-02T03:04:05Z","data":{}}`))
	f.Add([]byte(`{"type":"ready","user_id":"u","conversations":[{"id":"c","seq":3}],"at":["0:17"]}`))
	f.Add([]byte(`{"type":"gap","user_id":"u","from_seq":1,"to_seq":3}`))
	f.Add([]byte(`{"type":"presence","user_id":"u","state":"away","last_seen":null}`))
	f.Add([]byte(`{"type":"hello","epoch":1,"heartbeat_ms":25000}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		decoded, err := decode(text)
		if err != nil {
			require.Nil(t, decoded)
			return
		}
		require.Equal(t, decoded.Type == "event", decoded.event != nil)
		if e := decoded.event; e != nil {
			require.NotEmpty(t, e.stream())
			require.NotEmpty(t, e.At)
			require.Positive(t, e.Seq)
		}
	})
}
