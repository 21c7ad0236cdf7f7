package protocol

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/ephemeral"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenFrames returns the frames that a node sends, apart from events of the
// log, by file name: the type and, after a dot, the variant.
func goldenFrames(t *testing.T) map[string]any {
	t.Helper()
	id, err := domain.ParseID("0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b")
	require.NoError(t, err)
	sent := time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)
	message := ephemeral.Stealth{ID: id, ConversationID: id, AuthorID: id, Body: "Meet me at nine.", SentAt: sent, ExpiresAt: sent.Add(time.Minute)}
	return map[string]any{
		"hello": HelloFrame{Type: "hello", SessionID: id, Epoch: 1, HeartbeatMS: 25000, Limits: Limits{
			FrameBytes: 4096, FramesPerSecond: 20, Refusals: 5, ReplayEvents: 1000, PendingBytes: 1 << 20, ResumeWaitMS: 500,
			TypingExpiryMS: 6000, PresenceMembers: 100}},
		"ready": ReadyFrame{Type: "ready", UserID: id, Conversations: []ConversationHead{{ID: id, Seq: 12}},
			At: []string{"0:17", "1:0", "2:1042"}},
		"ready.empty":    ReadyFrame{Type: "ready", UserID: id, Conversations: []ConversationHead{}, At: []string{"0:0"}},
		"resumed":        ResumedFrame{Type: "resumed", Replayed: 3, At: []string{"0:20"}},
		"gap":            GapFrame{Type: "gap", ConversationID: id, FromSeq: 4, ToSeq: 2004},
		"gap.own":        GapFrame{Type: "gap", UserID: id, FromSeq: 1, ToSeq: 1},
		"reconnect":      ReconnectFrame{Type: "reconnect", AfterMS: 1250, Reason: "restart"},
		"reconnect.busy": ReconnectFrame{Type: "reconnect", AfterMS: 1250, Reason: "busy"},
		"error":          ErrorFrame{Type: "error", Code: "type_unknown", Message: "This type of frame is not known; see the protocol.", Re: "7"},
		"error.later": ErrorFrame{Type: "error", Code: "ephemeral_unavailable", RetryAfterMS: 1000,
			Message: "Stealth messages, typing and presence are away for the moment; messages are not affected. Try again later."},
		"pong": PongFrame{Type: "pong", Re: "7"},

		"typing":                 ephemeral.TypingFrame{Type: "typing", ConversationID: id, UserID: id, On: true, ExpiresInMS: 6000},
		"typing.off":             ephemeral.TypingFrame{Type: "typing", ConversationID: id, UserID: id},
		"presence":               ephemeral.PresenceFrame{Type: "presence", Presence: ephemeral.Presence{UserID: id, State: ephemeral.Away}},
		"presence.offline":       ephemeral.PresenceFrame{Type: "presence", Presence: ephemeral.Presence{UserID: id, LastSeen: &sent}},
		"stealth":                ephemeral.StealthFrame{Type: "stealth", Stealth: message},
		"stealth_gone":           ephemeral.StealthGoneFrame{Type: "stealth_gone", ConversationID: id, ID: id, Reason: "expired"},
		"stealth_gone.withdrawn": ephemeral.StealthGoneFrame{Type: "stealth_gone", ConversationID: id, ID: id, Reason: "withdrawn"},
		"ephemeral_gap":          EphemeralGapFrame{Type: "ephemeral_gap", AfterMS: 750},
	}
}

// TestGoldenFrames freezes the bytes of every frame. Error texts are not part of
// the contract, so those in the golden files are examples.
func TestGoldenFrames(t *testing.T) {
	frames := goldenFrames(t)
	for name, frame := range frames {
		t.Run(name, func(t *testing.T) {
			payload, err := json.Marshal(frame)
			require.NoError(t, err)
			golden := filepath.Join("testdata", "frames", name+".json")
			if *update {
				require.NoError(t, os.WriteFile(golden, append(payload, '\n'), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, strings.TrimSuffix(string(want), "\n"), string(payload))
			typ, _, _ := strings.Cut(name, ".")
			require.Equal(t, typ, reflect.ValueOf(frame).FieldByName("Type").String())
		})
	}
	files, err := os.ReadDir(filepath.Join("testdata", "frames"))
	require.NoError(t, err)
	require.Len(t, files, len(frames))
}
