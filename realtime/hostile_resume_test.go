package realtime

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/realtime/protocol"
)

// TestAbsurdResumes: whatever a resume says, the client is told of everything.
func TestAbsurdResumes(t *testing.T) {
	n := newWorld(t).start(Config{MaxStarting: 1})
	alice, bob := newID(), newID()
	group := n.group(alice, bob)
	huge := make([]string, 400)
	for i := range huge {
		huge[i] = fmt.Sprintf("%d:1", i)
	}
	ask := func(resume string) *client {
		c := newClient(t, bob)
		c.connect(n, "?resume=1")
		c.writeRaw(websocket.MessageText, []byte(resume))
		return c
	}
	list, err := json.Marshal(huge)
	require.NoError(t, err)
	for name, resume := range map[string]struct{ at, code string }{
		"negative":            {`["0:-1"]`, "resume_invalid"},
		"beyond_64_bits":      {`["0:9223372036854775808"]`, "resume_invalid"},
		"partition_beyond":    {`["256:1"]`, "resume_invalid"},
		"partition_of_no_log": {`["255:1"]`, "resume_invalid"},
		"huge_list":           {string(list), "resume_invalid"},
		"twice":               {`["0:1","0:1"]`, "resume_invalid"},
		"empty_text":          {`[""]`, "resume_invalid"},
		"in_other_digits":     {`["0:١"]`, "resume_invalid"},
		"the_greatest_of_all": {`["0:9223372036854775807"]`, "position_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			c := ask(`{"type":"resume","at":` + resume.at + `}`)
			require.Equal(t, resume.code, c.until("error").Code)
			require.Equal(t, "ready", c.next().Type)
			require.Equal(t, group.String(), c.until("gap").ConversationID)
			c.until("resumed")
			c.untilEvent(n.send(group, alice, "live"))
		})
	}
	for name, resume := range map[string]string{
		"no_list":         `{"type":"resume","at":"0:1"}`,
		"numbers":         `{"type":"resume","at":[0,1]}`,
		"epoch_of_floats": `{"type":"resume","at":[],"epoch":1.5}`,
		"epoch_too_large": `{"type":"resume","at":[],"epoch":1e30}`,
		"nested":          `{"type":"resume","at":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := ask(resume)
			require.Equal(t, "frame_invalid", c.until("error").Code)
			c.say(map[string]any{"type": "resume"}) // it is the first frame still
			c.until("resumed")
		})
	}
	t.Run("positions_that_never_come_keep_nobody_waiting", func(t *testing.T) {
		before := n.counted("ping_stream_errors_total", "position_unknown")
		started := make(chan struct{})
		act := func(reached step) {
			if reached == stepSnapshot {
				n.hub.reached.Store(nil)
				close(started)
			}
		}
		n.hub.reached.Store(&act)
		hostile := ask(`{"type":"resume","at":["0:9223372036854775807"]}`)
		<-started // it has the only turn
		n.open(alice)
		require.Equal(t, before, n.counted("ping_stream_errors_total", "position_unknown"), "the other waited until it was done")
		require.Equal(t, "position_unknown", hostile.until("error").Code)
	})
}

// FuzzClientFrame reads what any client may send as a frame.
func FuzzClientFrame(f *testing.F) {
	for _, seed := range []string{
		`{"type":"resume","at":["0:17","15:9223372036854775807"],"epoch":1}`, `{"type":"resume","at":["0:1","0:1"]}`, `{"type":"ping","id":"7"}`,
		`{"type":"refresh","access_token":"x"}`, `null`, `[]`, `{"at":null}`, `{"at":[null]}`, `{"Type":"ping","TYPE":"resume"}`, `{"id":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var frame protocol.ClientFrame
		if json.Unmarshal(payload, &frame) != nil {
			return
		}
		const partitions = 16
		positions, ok := parseAt(frame.At, partitions)
		if !ok {
			return
		}
		require.Len(t, positions, partitions)
		again, ok := parseAt(atStrings(positions), partitions)
		require.True(t, ok)
		require.Equal(t, positions, again)
		answer := message(protocol.PongFrame{Type: "pong", Re: frame.ID})
		require.True(t, json.Valid(answer[strings.IndexByte(string(answer), '{'):]))
	})
}
