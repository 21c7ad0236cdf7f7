package clients

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// testApps: what apps do, at moments that are rare.
func testApps(t *testing.T, start startDevice) {
	calm := func(ws *websocket.Conn) {
		say(ws, hello, ready, resumed)
		stay(ws)
	}
	t.Run("a message is sent when the server has said so", func(t *testing.T) {
		s := &script{posts: []int{http.StatusMovedPermanently, http.StatusFound, http.StatusOK, 499, http.StatusInternalServerError}}
		d := beginScripted(t, start, s.play(t, calm))
		d.send("c", "b")
		d.await(t, "it is answered", func() bool { return len(d.settled) > 0 })
		require.Equal(t, "m", d.settled["b"])
		require.Empty(t, d.unsent())
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Len(t, s.posted, len(s.posts)+1)
		for _, key := range s.posted {
			require.Equal(t, s.posted[0], key)
		}
	})
	t.Run("who types is seen once all is there", func(t *testing.T) {
		typed, heard := make(chan struct{}), make(chan string, 1)
		d := beginScripted(t, start, (&script{}).play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready)
			<-typed
			say(ws, resumed)
			heard <- readFrame(ws)
			stay(ws)
		}))
		d.await(t, "it is connected", func() bool { return d.connected == 1 })
		d.typing("c", true)
		require.Empty(t, d.unsent()) // by now it has done that
		close(typed)
		d.await(t, "it has resumed", func() bool { return d.resumed == 1 })
		d.typing("c", false)
		require.Equal(t, `c false`, <-heard)
	})
	t.Run("who is there unseen comes back unseen", func(t *testing.T) {
		heard := make(chan string, 2)
		d := beginScripted(t, start, (&script{}).play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed)
			heard <- readFrame(ws)
		}, func(ws *websocket.Conn) {
			heard <- readFrame(ws)
			calm(ws)
		}))
		d.await(t, "it has resumed", func() bool { return d.resumed == 1 })
		d.presence("offline")
		require.Equal(t, "offline", <-heard)
		require.Equal(t, "offline", <-heard)
		d.await(t, "it has resumed again", func() bool { return d.resumed == 2 })
	})
	t.Run("a client that is stopped keeps what is unsent, and sends it when it starts again", func(t *testing.T) {
		s := &script{posts: []int{http.StatusServiceUnavailable}}
		d := beginScripted(t, start, s.play(t, calm))
		d.await(t, "it has resumed", func() bool { return d.resumed == 1 })
		d.send("c", "first")
		<-s.came
		d.stop()
		d.send("c", "second")
		require.Equal(t, []string{"first", "second"}, d.unsent())
		d.start()
		d.await(t, "all is sent", func() bool { return len(d.settled) == 2 && d.resumed == 2 })
		require.Equal(t, map[string]string{"first": "m", "second": "m"}, d.settled)
		require.Empty(t, d.unsent())
		require.Len(t, s.posted, 3)
	})
	t.Run("a client that is stopped while it connects, and started again, has one stream", func(t *testing.T) {
		s := &script{hold: make(chan struct{})}
		d := beginScripted(t, start, s.play(t, calm))
		<-s.wanting
		d.stop()
		d.start()
		<-s.wanting
		close(s.hold)
		d.await(t, "it has resumed", func() bool { return d.resumed == 1 })
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Equal(t, 1, s.upgrades)
	})
}

// readFrame returns the next typing or presence frame of the client; "" after its end.
func readFrame(ws *websocket.Conn) string {
	_, text, err := ws.Read(context.Background())
	if err != nil {
		return ""
	}
	var frame struct {
		ConversationID string `json:"conversation_id"`
		State          string
		On             bool
	}
	if err := json.Unmarshal(text, &frame); err != nil {
		return err.Error()
	}
	if frame.State != "" {
		return frame.State
	}
	if frame.On {
		return frame.ConversationID + " true"
	}
	return frame.ConversationID + " false"
}
