package realtime

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/auth"
	"ping/realtime/protocol"
)

// TestUpgrade tries what must not become a stream.
func TestUpgrade(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{Origins: []string{"https://chat.example.com"}})
	user := newID()
	bearer := "Bearer " + w.token(user)
	claims := auth.Claims{UserID: user, SessionID: user, ExpiresAt: time.Now().Add(time.Minute)}
	ticket, err := w.tickets.Issue(context.Background(), claims)
	require.NoError(t, err)

	for _, c := range []struct {
		name, query string
		protocols   []string
		header      http.Header
		status      int
		code        string
	}{
		{"no_subprotocol", "", nil, http.Header{"Authorization": {bearer}}, 400, "subprotocol_required"},
		{"other_subprotocol", "", []string{"ping.v9"}, http.Header{"Authorization": {bearer}}, 400, "subprotocol_required"},
		{"no_token", "", []string{protocol.Subprotocol}, nil, 401, "unauthenticated"},
		{"bad_token", "", []string{protocol.Subprotocol}, http.Header{"Authorization": {bearer + "x"}}, 401, "unauthenticated"},
		{"token_in_the_url", "?access_token=" + w.token(user), []string{protocol.Subprotocol}, nil, 401, "unauthenticated"},
		{"bad_ticket", "?ticket=x", []string{protocol.Subprotocol}, nil, 401, "ticket_invalid"},
		{"other_origin", "", []string{protocol.Subprotocol}, http.Header{"Authorization": {bearer}, "Origin": {"https://evil.example.com"}}, 403, "origin_not_allowed"},
		{"same_origin", "", []string{protocol.Subprotocol}, http.Header{"Authorization": {bearer}, "Origin": {strings.TrimSuffix(n.url, "/v1/stream")}}, 101, ""},
		{"listed_origin", "", []string{protocol.Subprotocol}, http.Header{"Authorization": {bearer}, "Origin": {"https://chat.example.com"}}, 101, ""},
		{"ticket", "?ticket=" + ticket, []string{protocol.Subprotocol}, nil, 101, ""},
		{"ticket_used", "?ticket=" + ticket, []string{protocol.Subprotocol}, nil, 401, "ticket_invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			conn, response, err := websocket.Dial(ctx, n.url+c.query, &websocket.DialOptions{HTTPHeader: c.header, Subprotocols: c.protocols})
			require.Equal(t, c.status, response.StatusCode)
			if c.status == 101 {
				require.NoError(t, err)
				require.Equal(t, protocol.Subprotocol, conn.Subprotocol())
				require.NoError(t, conn.CloseNow())
				return
			}
			require.Error(t, err)
			require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
			var problem struct{ Code string }
			require.NoError(t, json.NewDecoder(response.Body).Decode(&problem))
			require.Equal(t, c.code, problem.Code)
		})
	}
	t.Run("no_upgrade", func(t *testing.T) {
		response, err := http.Get(n.url)
		require.NoError(t, err)
		defer response.Body.Close()
		require.Equal(t, http.StatusUpgradeRequired, response.StatusCode)
		http.DefaultClient.CloseIdleConnections()
	})
	t.Run("draining", func(t *testing.T) {
		require.NoError(t, n.hub.Drain(waitAtMost(t)))
		_, response, err := websocket.Dial(waitAtMost(t), n.url, &websocket.DialOptions{
			HTTPHeader: http.Header{"Authorization": {bearer}}, Subprotocols: []string{protocol.Subprotocol}})
		require.Error(t, err)
		require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	})
}

func waitAtMost(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestFrames sends frames that a client may and may not send.
func TestFrames(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{})
	user := newID()

	t.Run("ping", func(t *testing.T) {
		c := n.open(user)
		c.write(map[string]any{"type": "ping", "id": "7"})
		f := c.next()
		require.Equal(t, "pong", f.Type)
		require.Equal(t, "7", f.Re)
	})

	for name, send := range map[string]func(c *client){
		"frame_invalid": func(c *client) { c.writeRaw(websocket.MessageText, []byte(`{"type":`)) },
		"frame_too_large": func(c *client) {
			c.write(map[string]any{"type": "ping", "pad": strings.Repeat("x", protocol.MaxFrame)})
		},
		"frame_binary":  func(c *client) { c.writeRaw(websocket.MessageBinary, []byte(`{"type":"ping"}`)) },
		"type_unknown":  func(c *client) { c.write(map[string]any{"type": "shout", "id": "a"}) },
		"token_invalid": func(c *client) { c.write(map[string]any{"type": "refresh", "access_token": "x"}) },
		"token_of_other_user": func(c *client) {
			c.write(map[string]any{"type": "refresh", "access_token": w.token(newID())})
		},
	} {
		t.Run(name+"_is_refused_and_closes_in_the_end", func(t *testing.T) {
			c := n.open(user)
			for range protocol.MaxRefusals {
				send(c)
				f := c.next()
				require.Equal(t, "error", f.Type)
				require.Equal(t, name, f.Code)
			}
			require.Equal(t, protocol.CloseProtocol, c.closed())
		})
	}

	t.Run("invalid_utf8_closes", func(t *testing.T) {
		cl := n.open(user)
		cl.writeRaw(websocket.MessageText, []byte("{\"type\":\"\xff\"}"))
		require.Equal(t, protocol.CloseInvalidText, cl.closed())
	})

	t.Run("huge_message_closes", func(t *testing.T) {
		// Its header alone is refused. What followed would be unread when the
		// server closes, and the kernel would then reset the connection, perhaps
		// before the close message has arrived.
		conn, in := n.dialRaw(user)
		defer func() { _ = conn.Close() }()
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		header := binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, protocol.MaxMessage+1)
		_, err := conn.Write(append(header, 0, 0, 0, 0)) // the mask
		require.NoError(t, err)
		for {
			head := make([]byte, 2)
			_, err := io.ReadFull(in, head)
			require.NoError(t, err)
			size := int(head[1])
			if size == 126 {
				_, err = io.ReadFull(in, head[:2:2])
				require.NoError(t, err)
				size = int(head[0])<<8 | int(head[1])
				head[0] = 0x81 // a close message is never this long
			}
			payload := make([]byte, size)
			_, err = io.ReadFull(in, payload)
			require.NoError(t, err)
			if head[0] == closeOpcode {
				require.Equal(t, 1009, int(payload[0])<<8|int(payload[1]))
				return
			}
		}
	})

	t.Run("refresh_extends_the_stream", func(t *testing.T) {
		for _, refreshed := range []bool{false, true} {
			claims := auth.Claims{UserID: user, SessionID: user, ExpiresAt: time.Now().Add(300 * time.Millisecond)}
			ticket, err := w.tickets.Issue(context.Background(), claims)
			require.NoError(t, err)
			conn, _, err := websocket.Dial(waitAtMost(t), n.url+"?resume=0&ticket="+ticket, &websocket.DialOptions{Subprotocols: []string{protocol.Subprotocol}})
			require.NoError(t, err)
			c := newClient(t, user)
			c.conn = conn
			c.until("ready")
			if !refreshed {
				require.Equal(t, protocol.CloseExpired, c.closed())
				continue
			}
			c.write(map[string]any{"type": "refresh", "access_token": w.token(user)})
			c.write(map[string]any{"type": "ping"})
			c.until("pong")
			_, err = c.read(within(t, 500*time.Millisecond))
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	})
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestSlowReader: a client that stops reading is closed and loses nothing; the
// others do not notice.
func TestSlowReader(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{MaxPending: 128 << 10, CloseGrace: 100 * time.Millisecond})
	alice, bob, slow := newID(), newID(), newID()
	group := n.group(alice, bob, slow)
	reader := n.open(bob)
	stalled := n.openStalled(slow)
	const messages = 200
	var last int64
	for range messages {
		sent := n.send(group, alice, strings.Repeat("x", 4000))
		reader.untilEvent(sent)
		last = sent.Version
	}
	require.Equal(t, seqs(5, last), reader.seen[group.String()])

	for {
		if _, err := stalled.read(waitAtMost(t)); err != nil {
			break
		}
	}
	require.Less(t, len(stalled.events), messages)
	stalled.resume(n)
	require.Equal(t, seqs(5, last), stalled.seen[group.String()])
}

// openStalled opens a stream over a connection that takes next to nothing
// until it is read from.
func (n *node) openStalled(user domain.ID) *client {
	c := newClient(n.t, user)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return conn, err
	}}
	conn, _, err := websocket.Dial(waitAtMost(n.t), n.url+"?resume=0", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{protocol.Subprotocol},
		HTTPHeader: http.Header{"Authorization": {"Bearer " + n.token(user)}},
	})
	require.NoError(n.t, err)
	conn.SetReadLimit(1 << 20)
	n.t.Cleanup(func() { _ = conn.CloseNow() })
	c.conn = conn
	c.until("ready")
	return c
}

// TestHalfOpen: a peer that vanishes, or never ends its request, holds nothing.
func TestHalfOpen(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{Heartbeat: 50 * time.Millisecond})
	c := newClient(t, newID())
	c.connect(n, "?resume=0")
	address := strings.TrimSuffix(strings.TrimPrefix(n.url, "http://"), "/v1/stream")
	raw, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer raw.Close()
	// A client that never answers pings: the raw connection only reads.
	_, err = io.WriteString(raw, "GET /v1/stream?resume=0 HTTP/1.1\r\nHost: "+address+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: "+protocol.Subprotocol+"\r\n"+
		"Authorization: Bearer "+w.token(newID())+"\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, raw.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = io.Copy(io.Discard, raw) // ends when the server gives up
	require.NoError(t, err)
	c.cut()
}
