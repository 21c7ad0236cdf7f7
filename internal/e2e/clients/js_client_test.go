package clients

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
	pingclient "ping/realtime/client"
)

// nodeCommand returns how to run a script with a WebSocket of its own: Node has
// one from 22 on, and before, from 20.10 on, behind a flag.
func nodeCommand(t *testing.T) (name string, flags []string) {
	t.Helper()
	name, err := exec.LookPath("node")
	require.NoError(t, err, "Node is not installed: run 'make deps', or install Node 20.10 or newer yourself")
	out, err := exec.CommandContext(t.Context(), name, "--version").Output()
	require.NoError(t, err)
	version := strings.Split(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
	require.GreaterOrEqual(t, len(version), 2, "what version of Node is %s", out)
	major, err := strconv.Atoi(version[0])
	require.NoError(t, err)
	minor, err := strconv.Atoi(version[1])
	require.NoError(t, err)
	require.True(t, major > 20 || major == 20 && minor >= 10, "Node %s is too old: install 20.10 or newer", out)
	if major < 22 {
		flags = []string{"--experimental-websocket", "--no-warnings"}
	}
	return name, flags
}

// startJSClient starts the JavaScript client in a process of its own.
func startJSClient(t *testing.T, server string, session pingclient.Session, d *device) {
	beginJS(t, server, session, d)
}

// beginJS is startJSClient for who has more to command, or whose app throws in
// some of its handlers.
func beginJS(t *testing.T, server string, session pingclient.Session, d *device, throws ...string) (command func(map[string]any)) {
	t.Helper()
	command = runDriver(t, d)
	d.send = func(conversation, body string) {
		command(map[string]any{"do": "send", "conversation": conversation, "body": body})
	}
	d.typing = func(conversation string, on bool) {
		command(map[string]any{"do": "typing", "conversation": conversation, "on": on})
	}
	d.presence = func(state string) { command(map[string]any{"do": "presence", "state": state}) }
	d.start = func() { command(map[string]any{"do": "start"}) }
	d.unsent = func() []string {
		command(map[string]any{"do": "unsent"})
		return <-d.kept
	}
	d.stop = func() {
		command(map[string]any{"do": "stop"})
		d.unsent()
	}
	command(map[string]any{"do": "begin", "throws": append([]string{}, throws...), "server": server, "session": map[string]any{
		"access_token": session.AccessToken, "refresh_token": session.RefreshToken,
		"refresh_key": session.RefreshKey, "refresh_at": session.RefreshAt.UnixMilli(),
	}})
	return command
}

// runDriver runs the program around the client, which talks in lines of JSON,
// until the test ends.
func runDriver(t *testing.T, d *device) (command func(map[string]any)) {
	t.Helper()
	name, flags := nodeCommand(t)
	program := exec.Command(name, append(flags, "driver.js")...)
	program.Dir, program.Stderr = "../../../realtime/client/js", t.Output()
	in, err := program.StdinPipe()
	require.NoError(t, err)
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	var reading sync.WaitGroup
	reading.Go(func() {
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			d.hearJS(t, scanner.Bytes())
		}
	})
	t.Cleanup(func() {
		_ = in.Close() // tells it to stop; it may have ended
		reading.Wait()
		require.NoError(t, program.Wait())
	})
	var writing sync.Mutex
	return func(command map[string]any) {
		encoded, err := json.Marshal(command)
		require.NoError(t, err)
		writing.Lock()
		defer writing.Unlock()
		_, err = in.Write(append(encoded, '\n'))
		require.NoError(t, err)
	}
}

// hearJS notes a line of the driver.
func (d *device) hearJS(t *testing.T, line []byte) {
	var news struct {
		Told, State   string
		Code          int
		Event         entry
		ID            string
		To            int64
		Frame         pingclient.Ephemeral
		Body, Outcome string
		Bodies        []string
	}
	if err := json.Unmarshal(line, &news); err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	switch {
	case news.Told == "event" && news.Event.ConversationID != "":
		d.handed(news.Event.ConversationID, news.Event.Seq, news.Event.ID, news.Event.Event)
	case news.Told == "settled":
		d.note(func() { d.settled[news.Body] = news.Outcome })
	case news.Told == "skipped":
		d.note(func() { d.skipped[news.ID] = news.To })
	case news.Told == "reset":
		d.note(func() { d.resets++ })
	case news.Told == "ephemeral":
		d.note(func() { d.ephemeral = append(d.ephemeral, toldOf(news.Frame)) })
	case news.Told == "unsent":
		d.kept <- news.Bodies
	case news.State == "connected":
		d.note(func() { d.connected++ })
	case news.State == "resumed":
		d.note(func() { d.resumed++ })
	case news.State == "ended":
		d.note(func() { d.ends = append(d.ends, news.Code) })
	}
}

func TestJSClient(t *testing.T) {
	t.Parallel() // it waits for most of its time
	testClients(t, startJSClient)
	t.Run("a handler that throws harms nothing", testThrows)
	t.Run("a start right after a stop sends what waits", testRestarts)
}

// testThrows: an event whose handler throws comes again; that any other throws
// makes no difference.
func testThrows(t *testing.T) {
	s := &script{events: []string{scriptedEvent(6, "message.sent", `{"body":"b"}`)}}
	cut := make(chan struct{})
	again := func(ws *websocket.Conn) {
		say(ws, hello, ready, s.events[0], `{"type":"typing","conversation_id":"c","user_id":"a","on":true,"expires_in_ms":1}`)
		say(ws, `{"type":"resumed","at":["0:6"]}`)
	}
	url := s.play(t, func(ws *websocket.Conn) {
		say(ws, hello, ready, resumed, s.events[0])
		stay(ws)
	}, func(ws *websocket.Conn) {
		again(ws)
		<-cut
	}, func(ws *websocket.Conn) {
		again(ws)
		stay(ws)
	})
	d := newDevice(&harness.Client{ID: "u"})
	session := pingclient.Session{AccessToken: "a", RefreshToken: "r", RefreshKey: "k"} // to be refreshed
	beginJS(t, url, session, d, "session", "state", "ephemeral", "event")
	d.await(t, "it has begun, and resumed since an event was not taken", func() bool { return d.resumed == 2 })
	close(cut)
	d.await(t, "it has come once more, and told who has stopped", func() bool { return d.resumed == 3 && len(d.ephemeral) == 4 })
	require.Equal(t, []string{"6 message.sent e6", "6 message.sent e6"}, d.views["c"], "the one that was not taken, and it again")
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Equal(t, []string{"k", "k", "k"}, s.refreshes)
	require.Len(t, s.opens, 3)
}

// testRestarts: however soon a start follows a stop, what is queued is sent.
func testRestarts(t *testing.T) {
	const turns = 20
	s := &script{}
	for range turns {
		s.posts = append(s.posts, http.StatusServiceUnavailable, 0)
	}
	url := s.play(t, func(ws *websocket.Conn) {
		say(ws, hello, ready, resumed)
		stay(ws)
	})
	d := newDevice(&harness.Client{ID: "u"})
	session := pingclient.Session{AccessToken: "a", RefreshToken: "r", RefreshKey: "k", RefreshAt: time.Now().Add(time.Hour)}
	command := beginJS(t, url, session, d)
	for n := range turns {
		body := strconv.Itoa(n)
		d.send("c", body)
		<-s.came
		command(map[string]any{"do": "restart", "turns": n})
		d.await(t, "it is sent", func() bool { return d.settled[body] == "m" })
		<-s.came
	}
}
