package realtime

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGoldenFrames freezes the bytes of every frame that this package makes.
func TestGoldenFrames(t *testing.T) {
	id, err := domain.ParseID("0190b5a0-7c1e-7d3a-9f55-3c1d2e4f5a6b")
	require.NoError(t, err)
	frames := map[string]any{
		"hello": helloFrame{Type: "hello", SessionID: id, Epoch: 1, HeartbeatMS: 25000,
			Limits: limits{FrameBytes: 4096, Refusals: 5, ReplayEvents: 1000, PendingBytes: 1 << 20, ResumeWaitMS: 500}},
		"ready": readyFrame{Type: "ready", UserID: id, Conversations: []conversationHead{{ID: id, Seq: 12}},
			At: atStrings([]int64{17, 0, 1042})},
		"ready_empty": readyFrame{Type: "ready", UserID: id, Conversations: []conversationHead{}, At: atStrings([]int64{0})},
		"resumed":     resumedFrame{Type: "resumed", Replayed: 3, At: atStrings([]int64{20})},
		"gap":         gapFrame{Type: "gap", ConversationID: id, FromSeq: 4, ToSeq: 2004},
		"gap_own":     gapFrame{Type: "gap", UserID: id, FromSeq: 1, ToSeq: 1},
		"reconnect":   reconnectFrame{Type: "reconnect", AfterMS: 1250, Reason: "restart"},
		"error":       errorFrame{Type: "error", Code: errTypeUnknown.Code, Message: errTypeUnknown.Message, Re: "7"},
		"pong":        pongFrame{Type: "pong", Re: "7"},
	}
	for name, frame := range frames {
		t.Run(name, func(t *testing.T) {
			m := message(frame)
			payload := m[2:]
			if m[1] == 126 {
				payload = m[4:]
			}
			golden := filepath.Join("testdata", "frames", name+".json")
			if *update {
				require.NoError(t, os.WriteFile(golden, append(payload, '\n'), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, strings.TrimSuffix(string(want), "\n"), string(payload))
			require.Equal(t, strings.Split(name, "_")[0], reflect.ValueOf(frame).FieldByName("Type").String())
		})
	}
	files, err := os.ReadDir(filepath.Join("testdata", "frames"))
	require.NoError(t, err)
	require.Len(t, files, len(frames))
}

func TestAppendMessage(t *testing.T) {
	for length, head := range map[int][]byte{
		125:     {0x81, 125},
		126:     {0x81, 126, 0, 126},
		1 << 16: {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0},
	} {
		m := appendMessage(nil, make([]byte, length))
		require.Equal(t, head, m[:len(head)])
		require.Equal(t, length, len(m)-len(head))
	}
}

// TestCodes holds that every close code has a reason that fits a close
// message, and that its range is that of what the client is to do.
func TestCodes(t *testing.T) {
	for code, reason := range closeReasons {
		require.NotEmpty(t, reason)
		require.LessOrEqual(t, len(closeMessage(code)), 2+125)
		require.Equal(t, strings.Contains(reason, "reconnect"), code.Reconnect(), code)
	}
}

func TestParseAt(t *testing.T) {
	positions, ok := parseAt([]string{"2:7", "0:9"}, 3)
	require.True(t, ok)
	require.Equal(t, []int64{9, 0, 7}, positions)
	for _, bad := range [][]string{{"3:1"}, {"0:1", "0:1"}, {"0:-1"}, {"x"}, {"0:1", "1:1", "2:1", "0:1"}} {
		_, ok := parseAt(bad, 3)
		require.False(t, ok, bad)
	}
}
