package clients

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/internal/e2e/harness"
	pingclient "ping/realtime/client"
)

// toldOf writes an ephemeral frame as a test expects it.
func toldOf(e pingclient.Ephemeral) string {
	return fmt.Sprint(e.Type, " ", e.ConversationID, " ", e.UserID, e.AuthorID, " ", e.On, " ", e.State, e.Body, e.Code)
}

// beginScripted starts a device of the script's user.
func beginScripted(t *testing.T, start startDevice, url string) *device {
	t.Helper()
	d := newDevice(&harness.Client{ID: "u"})
	start(t, url, pingclient.Session{AccessToken: "a", RefreshToken: "r", RefreshKey: "k", RefreshAt: time.Now().Add(time.Hour)}, d)
	return d
}

// testScripts: what the protocol says of the rare.
func testScripts(t *testing.T, start startDevice) {
	begin := func(t *testing.T, url string) *device { return beginScripted(t, start, url) }
	messages := func(from, to int) (events []string) {
		for seq := from; seq <= to; seq++ {
			events = append(events, scriptedEvent(seq, "message.sent", `{"body":"b"}`))
		}
		return events
	}
	t.Run("a hole is read before what follows, and nothing twice", func(t *testing.T) {
		s := &script{events: messages(1, 9), pages: []int{http.StatusOK}} // something before the server answers first
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed, s.events[4], s.events[7], s.events[6], s.events[7], s.events[8])
			stay(ws)
		}))
		d.await(t, "all is there", func() bool { return len(d.views["c"]) >= 4 })
		require.Equal(t, []string{"6 message.sent e6", "7 message.sent e7", "8 message.sent e8", "9 message.sent e9"}, d.views["c"])
	})
	t.Run("a server that falls silent is left", func(t *testing.T) {
		s := &script{}
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, `{"type":"hello","epoch":1,"heartbeat_ms":50}`, ready, resumed)
			stay(ws) // and answers nothing
		}))
		d.await(t, "it came back", func() bool { return d.resumed >= 2 })
		s.mu.Lock()
		defer s.mu.Unlock()
		require.JSONEq(t, `{"type":"resume","at":["0:5"],"epoch":1}`, string(s.said[len(s.said)-1]))
	})
	t.Run("it comes back when it is told to", func(t *testing.T) {
		s := &script{}
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed, `{"type":"reconnect","after_ms":400,"reason":"restart"}`)
			_ = ws.Close(4000, "restart")
		}, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed)
			stay(ws)
		}))
		d.await(t, "it came back", func() bool { return d.resumed == 2 })
		require.Greater(t, s.opens[1].Sub(s.opens[0]), 400*time.Millisecond)
	})
	t.Run("reads a restored log from the start", func(t *testing.T) {
		s := &script{events: messages(1, 2)}
		restored := []string{
			`{"type":"hello","epoch":2,"heartbeat_ms":25000}`, `{"type":"error","code":"epoch_changed","message":""}`,
			`{"type":"ready","user_id":"u","conversations":[{"id":"c","seq":2}],"at":["0:0"]}`, `{"type":"gap","conversation_id":"c","from_seq":1,"to_seq":2}`,
		}
		read := make(chan struct{})
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed)
		}, func(ws *websocket.Conn) {
			say(ws, restored[:3]...) // it is cut before it is told of the gap
		}, func(ws *websocket.Conn) {
			say(ws, append(restored, `{"type":"resumed","at":["0:2"]}`)...)
			<-read
		}, func(ws *websocket.Conn) {
			say(ws, restored[0], restored[2], `{"type":"resumed","at":["0:2"]}`)
			stay(ws)
		}))
		d.await(t, "it has read all", func() bool { return d.resumed == 2 })
		close(read)
		d.await(t, "it came once more", func() bool { return d.resumed == 3 })
		for i, want := range []string{`"at":[],"epoch":0`, `"at":["0:5"],"epoch":1`, `"at":["0:5"],"epoch":1`, `"at":["0:2"],"epoch":2`} {
			require.JSONEq(t, `{"type":"resume",`+want+`}`, string(s.said[i]))
		}
		require.Equal(t, []string{"1 message.sent e1", "2 message.sent e2"}, d.views["c"])
		require.Equal(t, 2, d.resets)
	})
	t.Run("shows a user as typing until they send, or until it expires", func(t *testing.T) {
		d := begin(t, (&script{}).play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed,
				`{"type":"typing","conversation_id":"c","user_id":"a","on":true,"expires_in_ms":60000}`, messages(6, 6)[0],
				`{"type":"typing","conversation_id":"c","user_id":"a","on":true,"expires_in_ms":20}`)
			stay(ws)
		}))
		on, off := "typing c a true ", "typing c a false "
		d.await(t, "he has stopped", func() bool { return len(d.ephemeral) >= 4 })
		require.Equal(t, []string{on, off, on, off}, d.ephemeral)
	})
	t.Run("delivers ephemeral frames and ignores unknown ones", func(t *testing.T) {
		d := begin(t, (&script{}).play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed,
				`{"type":"stealth","conversation_id":"c","id":"s","author_id":"a","body":"psst","sent_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-01T00:01:00Z"}`,
				`{"type":"new in some later version","conversation_id":7}`,
				`{"type":"stealth_gone","conversation_id":"c","id":"s","reason":"expired"}`,
				`{"type":"presence","user_id":"a","state":"offline","last_seen":null}`,
				`{"type":"error","code":"rate_limited","message":"","retry_after_ms":1000}`,
				`{"type":"ephemeral_gap","after_ms":5}`)
			stay(ws)
		}))
		d.await(t, "all is told", func() bool { return len(d.ephemeral) >= 5 })
		require.Equal(t, []string{
			"stealth c a false psst", "stealth_gone c  false ", "presence  a false offline", "error   false rate_limited", "ephemeral_gap   false ",
		}, d.ephemeral)
	})
	t.Run("a busy server is left alone for as long as it asks for", func(t *testing.T) {
		s, begun := &script{busy: true}, time.Now()
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed)
			stay(ws)
		}))
		d.await(t, "it is connected", func() bool { return d.resumed == 1 })
		require.Greater(t, time.Since(begun), time.Second)
	})
	t.Run("a refresh whose answer was lost is repeated with its key", func(t *testing.T) {
		s, d := &script{}, newDevice(&harness.Client{ID: "u"})
		url := s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed)
			stay(ws)
		})
		start(t, url, pingclient.Session{AccessToken: "a", RefreshToken: "r", RefreshKey: "k"}, d)
		d.await(t, "it is connected", func() bool { return d.resumed == 1 })
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Equal(t, []string{"k", "k", "k"}, s.refreshes)
	})
	t.Run("what would not help is not tried", func(t *testing.T) {
		s := &script{}
		d := begin(t, s.play(t, func(ws *websocket.Conn) { _ = ws.Close(4500, "too many invalid frames") }))
		d.await(t, "it has ended", func() bool { return len(d.ends) > 0 })
		require.Equal(t, []int{4500}, d.ends)
		require.Len(t, s.opens, 1)
	})
	t.Run("what would not help is not tried after a hole either", func(t *testing.T) {
		s := &script{events: messages(1, 9), pages: slices.Repeat([]int{http.StatusServiceUnavailable}, 100)}
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed, s.events[8])
			<-s.listed
			_ = ws.Close(4502, "erased")
		}))
		d.await(t, "it has ended", func() bool { return len(d.ends) > 0 })
		require.Equal(t, []int{4502}, d.ends)
		require.Len(t, s.opens, 1)
	})
	t.Run("a server that ends each stream at once is left alone for longer and longer", func(t *testing.T) {
		const times = 20
		s := &script{}
		d := begin(t, s.play(t, func(ws *websocket.Conn) {
			say(ws, hello, ready, resumed)
			_ = ws.Close(4001, "slow")
		}))
		d.await(t, "it came often", func() bool { return d.resumed >= times })
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Greater(t, s.opens[times-1].Sub(s.opens[0]), 500*time.Millisecond)
	})
}
