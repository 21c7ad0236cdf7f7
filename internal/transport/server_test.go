package transport

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// echo sends back what it receives and reports its end.
type echo struct {
	conn  *Conn
	ended chan struct{}
}

func (e *echo) Open(c *Conn) {
	e.conn = c
	c.FlushBuffer(nil)
	c.Uncork()
}
func (e *echo) ReceiveText(payload []byte) { e.conn.Send(AppendText(nil, payload)) }
func (e *echo) ReceiveBinary()             { e.conn.CloseWith(expired) }
func (e *echo) Ended()                     { close(e.ended) }

// panicking is a response that cannot be hijacked without a panic.
type panicking struct{ http.ResponseWriter }

func (panicking) Hijack() (net.Conn, *bufio.ReadWriter, error) { panic("hijack") }

// dial opens a socket to an echo.
func dial(t *testing.T, cfg Config) (*echo, *websocket.Conn) {
	t.Helper()
	cfg.Subprotocol, cfg.MaxMessage, cfg.BytesPerSecond, cfg.ByteBurst = "echo", 1<<10, 1<<20, 1<<20
	s, e := server(cfg), &echo{ended: make(chan struct{})}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = s.Upgrade(w, r, e) // an error has been answered
	}))
	dialer := websocket.Dialer{Subprotocols: []string{"echo"}}
	client, answer, err := dialer.Dial("ws"+strings.TrimPrefix(web.URL, "http"), nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	t.Cleanup(func() {
		_ = client.Close()
		web.Close()
		s.Wait()
	})
	return e, client
}

func TestServer(t *testing.T) {
	t.Run("upgrades, receives and ends", func(t *testing.T) {
		e, client := dial(t, Config{})
		require.Equal(t, "echo", client.Subprotocol())
		require.NoError(t, client.WriteMessage(websocket.TextMessage, []byte("hello")))
		_, got, err := client.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		require.NoError(t, client.WriteMessage(websocket.BinaryMessage, nil))
		_, _, err = client.ReadMessage()
		require.True(t, websocket.IsCloseError(err, expired.Code), "%v", err)
		<-e.ended
	})

	t.Run("survives a panic during the upgrade", func(t *testing.T) {
		s := server(Config{Subprotocol: "echo"})
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header = http.Header{
			"Connection": {"upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
		}
		require.ErrorIs(t, s.Upgrade(panicking{httptest.NewRecorder()}, request, &echo{}), errPanic)
		s.Wait()
	})

	t.Run("answers a request that cannot be upgraded", func(t *testing.T) {
		s := server(Config{})
		recorder := httptest.NewRecorder()
		require.Error(t, s.Upgrade(recorder, httptest.NewRequest(http.MethodGet, "/", nil), &echo{}))
		require.Equal(t, http.StatusBadRequest, recorder.Code)
		s.Wait()
	})
}

// TestHeartbeat checks both sides of the rule that a client is gone after two
// heartbeats of silence, and not before.
func TestHeartbeat(t *testing.T) {
	t.Run("pings each heartbeat and disconnects a silent client", func(t *testing.T) {
		t.Parallel()
		const heartbeat = 100 * time.Millisecond
		e, client := dial(t, Config{Heartbeat: heartbeat})
		began := time.Now()
		pings := 0
		client.SetPingHandler(func(string) error { pings++; return nil }) // no pong
		_, _, err := client.ReadMessage()
		require.Error(t, err)
		<-e.ended
		require.NotZero(t, pings)
		require.GreaterOrEqual(t, time.Since(began), 2*heartbeat-10*time.Millisecond)
	})

	t.Run("keeps a client that was silent for less than two", func(t *testing.T) {
		t.Parallel()
		const heartbeat = 500 * time.Millisecond
		e, client := dial(t, Config{Heartbeat: heartbeat})
		client.SetPingHandler(func(string) error { return nil })
		go func() { _, _, _ = client.ReadMessage() }() // ends with the connection
		for _, after := range []time.Duration{9 * heartbeat / 10, 16 * heartbeat / 10, heartbeat} {
			select {
			case <-e.ended:
				t.Fatal("the client was disconnected")
			case <-time.After(after):
			}
			require.NoError(t, client.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second)))
		}
	})

	t.Run("pings first after a pause of the node", func(t *testing.T) {
		const heartbeat = time.Hour
		c, _ := pipe(t, Config{Heartbeat: heartbeat})
		c.listen()
		resumed := c.heard.Add(3 * heartbeat)
		require.True(t, c.beat(resumed), "the client was not asked yet")
		require.True(t, c.beat(resumed.Add(heartbeat-time.Second)))
		require.False(t, c.beat(resumed.Add(heartbeat)))
	})
}
