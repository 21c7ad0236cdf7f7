package main

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

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

// startJSClient starts the JavaScript client in a process of its own, which
// talks in lines of JSON.
func startJSClient(t *testing.T, server string, session pingclient.Session, d *device) {
	name, flags := nodeCommand(t)
	program := exec.Command(name, append(flags, "driver.js")...)
	program.Dir, program.Stderr = "../../realtime/client/js", t.Output()
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
	command := func(command map[string]any) {
		encoded, err := json.Marshal(command)
		require.NoError(t, err)
		writing.Lock()
		defer writing.Unlock()
		_, err = in.Write(append(encoded, '\n'))
		require.NoError(t, err)
	}
	d.send = func(conversation, body string) {
		command(map[string]any{"do": "send", "conversation": conversation, "body": body})
	}
	command(map[string]any{"do": "start", "server": server, "session": map[string]any{
		"access_token": session.AccessToken, "refresh_token": session.RefreshToken,
		"refresh_key": session.RefreshKey, "refresh_at": session.RefreshAt.UnixMilli(),
	}})
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
	case news.State == "resumed":
		d.note(func() { d.resumed++ })
	case news.State == "ended":
		d.note(func() { d.ends = append(d.ends, news.Code) })
	}
}

func TestJSClient(t *testing.T) { testClients(t, startJSClient) }
