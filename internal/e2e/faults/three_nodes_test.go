package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
)

// follower is a user's client that keeps its stream up: when a node is gone it
// goes on at another one, from where it was.
type follower struct {
	t     *testing.T
	user  *harness.Client
	bases []string

	mu     sync.Mutex
	at     map[string]string // the last position of each partition
	events []string          // the ids of the group's events, in the order in which they came
	others map[string]int    // the other frames, by type and subject
	moves  int               // how often it went to another node
	moved  *sync.Cond        // told of each frame
}

// follow opens a user's stream at the first of the nodes, and returns when it
// has begun.
func follow(t *testing.T, user *harness.Client, bases ...string) *follower {
	t.Helper()
	f := &follower{t: t, user: user, bases: bases, at: map[string]string{}, others: map[string]int{}}
	f.moved = sync.NewCond(&f.mu)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			f.stream(ctx)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	f.await("ready", 1)
	return f
}

// stream reads one stream up to its end, and gives the next one another node.
func (f *follower) stream(ctx context.Context) {
	f.mu.Lock()
	base := f.bases[f.moves%len(f.bases)]
	resume := map[string]any{"type": "resume", "epoch": 1, "at": []string{}}
	for partition, position := range f.at {
		resume["at"] = append(resume["at"].([]string), partition+":"+position)
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.moves++
		f.mu.Unlock()
	}()
	ws, _, err := websocket.Dial(ctx, base+"/v1/stream?resume=1", &websocket.DialOptions{
		Subprotocols: []string{"ping.v1.json"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + f.user.Token}},
	})
	if err != nil {
		return
	}
	defer ws.CloseNow()
	ws.SetReadLimit(1 << 20)
	first, _ := json.Marshal(resume) // made of texts
	if ws.Write(ctx, websocket.MessageText, first) != nil {
		return
	}
	for {
		_, content, err := ws.Read(ctx)
		if err != nil {
			return
		}
		f.take(content)
	}
}

func (f *follower) take(content []byte) {
	var frame struct {
		Type, ID, Body, State, Event string
		At                           any
		On                           bool
		UserID                       string `json:"user_id"`
	}
	if err := json.Unmarshal(content, &frame); err != nil {
		f.t.Errorf("%s: %v", content, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	keep := func(at any) {
		var partition, position string
		if parts := bytes.SplitN([]byte(fmt.Sprint(at)), []byte(":"), 2); len(parts) == 2 {
			partition, position = string(parts[0]), string(parts[1])
		}
		f.at[partition] = position
	}
	switch frame.Type {
	case "event":
		keep(frame.At)
		if frame.Event == "message.sent" {
			f.events = append(f.events, frame.ID)
		}
	case "ready", "resumed":
		for _, at := range frame.At.([]any) {
			keep(at)
		}
		f.others[frame.Type]++
	case "typing":
		f.others[fmt.Sprint("typing ", frame.UserID, frame.On)]++
	case "presence":
		f.others["presence "+frame.UserID+" "+frame.State]++
	case "stealth", "stealth_gone":
		f.others[frame.Type+" "+frame.ID]++
	default:
		f.others[frame.Type]++
	}
	f.moved.Broadcast()
}

// await waits until so many of some frame have come.
func (f *follower) await(what string, count int) {
	f.t.Helper()
	f.until(what, func() bool { return f.others[what] >= count })
}

// until waits until something is so of what has come.
func (f *follower) until(what string, so func() bool) {
	f.t.Helper()
	late := time.AfterFunc(30*time.Second, f.moved.Broadcast)
	defer late.Stop()
	deadline := time.Now().Add(30 * time.Second)
	f.mu.Lock()
	defer f.mu.Unlock()
	for !so() {
		require.True(f.t, time.Now().Before(deadline), "%s did not come; %d events and %v did", what, len(f.events), f.others)
		f.moved.Wait()
	}
}

// TestThreeNodes: users on three nodes receive everything from each other, and lose
// nothing when one of the nodes is killed.
func TestThreeNodes(t *testing.T) {
	harness.ClearSettings(t)
	w := harness.NewWorld(t)
	var nodes []*exec.Cmd
	var bases []string
	for range 3 {
		addr := harness.FreeAddr(t)
		nodes, bases = append(nodes, harness.ServeAt(t, w, addr)), append(bases, "http://"+addr)
	}
	var users []*harness.Client
	var followers []*follower
	for i, name := range []string{"ada", "bob", "cem"} {
		user := harness.Register(t, bases[i], name)
		users = append(users, user)
	}
	created := users[0].Call(t, "POST", "/v1/conversations", map[string]any{"kind": "group", "name": "crew", "members": []string{users[1].ID, users[2].ID}})
	require.Equal(t, http.StatusCreated, created.Status, created.Body)
	group := "/v1/conversations/" + harness.Text(t, created.Body, "id")
	for i, user := range users {
		// The read models have seen the group: presence is told by them.
		ready := user.Call(t, "GET", group, nil, "Ping-Min-Position", created.Header.Get("Ping-Position"))
		require.Equal(t, http.StatusOK, ready.Status, ready.Body)
		followers = append(followers, follow(t, user, bases[i], bases[(i+1)%3], bases[(i+2)%3]))
	}

	t.Run("see who is there", func(t *testing.T) {
		away := harness.OpenSocket(t, bases[2], users[1]) // another device, on another node
		require.NoError(t, away.Write(t.Context(), websocket.MessageText, []byte(`{"type":"presence","state":"away"}`)))
		for _, user := range users {
			require.Eventually(t, func() bool {
				seen := user.Call(t, "GET", group+"/presence", nil)
				require.Equal(t, http.StatusOK, seen.Status, seen.Body)
				for _, item := range seen.Body["items"].([]any) {
					if item.(map[string]any)["state"] != "online" {
						return false
					}
				}
				return true
			}, 20*time.Second, 20*time.Millisecond)
		}
		followers[0].await("presence "+users[2].ID+" online", 1) // the last user to connect
	})
	t.Run("see who types, on the others alone", func(t *testing.T) {
		require.Equal(t, http.StatusNoContent, users[0].Call(t, "PUT", group+"/typing", map[string]any{"on": true}).Status)
		followers[1].await("typing "+users[0].ID+"true", 1)
		followers[2].await("typing "+users[0].ID+"true", 1)
	})
	t.Run("see stealth messages come and go", func(t *testing.T) {
		sent := users[1].Call(t, "POST", group+"/stealth", map[string]any{"body": "psst", "ttl_seconds": 1})
		require.Equal(t, http.StatusCreated, sent.Status, sent.Body)
		for _, f := range followers {
			f.await("stealth "+harness.Text(t, sent.Body, "id"), 1)
			f.await("stealth_gone "+harness.Text(t, sent.Body, "id"), 1)
		}
	})
	t.Run("lose nothing when a node is killed", func(t *testing.T) {
		var sending sync.WaitGroup
		killed := make(chan struct{})
		for i, user := range users {
			sending.Go(func() {
				for n := range 40 {
					if n == 20 && i == 0 {
						close(killed)
					}
					sendSomewhere(t, user, bases, group, fmt.Sprintf("%d-%d", i, n))
				}
			})
		}
		<-killed
		harness.Kill(t, nodes[1])
		sending.Wait()
		want := eventsOf(t, &harness.Client{Base: bases[0], Token: users[0].Token}, group)
		require.Len(t, want, 120)
		for _, f := range followers {
			var got []string
			f.until("every message", func() bool {
				got = slices.Clone(f.events)
				return len(got) >= len(want)
			})
			require.Equal(t, want, got)
		}
		followers[1].until("another stream", func() bool { return followers[1].moves > 0 })
		followers[0].until("nobody's own typing", func() bool { return followers[0].others["typing "+users[0].ID+"true"] == 0 })
	})
	for _, i := range []int{0, 2} {
		require.NoError(t, nodes[i].Process.Signal(syscall.SIGTERM))
		require.NoError(t, nodes[i].Wait(), "a node that is stopped ends in good order")
	}
}

// sendSomewhere sends a message once, through whichever node takes it.
func sendSomewhere(t *testing.T, user *harness.Client, bases []string, group, body string) {
	for n := 0; ; n++ {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, bases[n%len(bases)]+group+"/messages", bytes.NewReader([]byte(`{"body":"`+body+`"}`)))
		if err != nil {
			t.Error(err)
			return
		}
		request.Close = true // no connection is left for the leak check to find
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+user.Token)
		request.Header.Set("Idempotency-Key", body)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			if t.Context().Err() != nil || n > 100 {
				t.Errorf("message %s is not taken: %v", body, err)
				return
			}
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode == http.StatusCreated {
			return
		}
		if n > 100 {
			t.Errorf("message %s is answered %d", body, response.StatusCode)
			return
		}
	}
}

// eventsOf are the ids of the messages in a conversation's log, in order.
func eventsOf(t *testing.T, user *harness.Client, group string) (ids []string) {
	t.Helper()
	after := 0
	for {
		a := user.Call(t, "GET", fmt.Sprintf("%s/events?after=%d&limit=200", group, after), nil)
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		items := a.Body["items"].([]any)
		for _, item := range items {
			event := item.(map[string]any)
			after = int(event["seq"].(float64))
			if event["event"] == "message.sent" {
				ids = append(ids, event["id"].(string))
			}
		}
		if len(items) == 0 {
			return ids
		}
	}
}
