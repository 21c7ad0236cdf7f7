package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	subprotocol  = "ping.v1.json"
	writeTimeout = 10 * time.Second
	closeExpired = 4002
)

var errSilent = errors.New("neither a frame nor a ping arrived within two heartbeats")

// connection is one WebSocket to the server.
type connection struct {
	client *Client
	ws     *websocket.Conn

	// Used by the reader alone. The timer ends a connection that receives neither
	// a frame nor a ping; it stands still while a frame waits to be handled.
	silent  *time.Timer
	silence time.Duration

	// Used by Run's goroutine alone.
	fresh   bool // there was nothing to resume
	epoch   int
	heads   []head
	typists typists
	resumed time.Time     // when the replay was complete
	after   time.Duration // when to reconnect, if the server said so
}

// run opens the connection and handles its frames until it ends.
func (conn *connection) run(ctx context.Context) error {
	token, err := conn.client.accessToken(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conn.silence = time.Minute // until hello states the server's heartbeat
	conn.silent = time.AfterFunc(conn.silence, func() { cancel(errSilent) })
	defer conn.silent.Stop()
	if err := conn.open(ctx, token); err != nil {
		return err
	}
	frames := make(chan *frame)
	var running sync.WaitGroup
	running.Go(func() { cancel(conn.read(ctx, frames)) })
	running.Go(func() { conn.refreshTokens(ctx, token) })
	err = conn.handleFrames(ctx, frames)
	cancel(nil)
	_ = conn.ws.CloseNow() // the server may have closed it
	running.Wait()
	if websocket.CloseStatus(err) == closeExpired {
		conn.client.invalidateToken(token)
	}
	return err
}

// open connects and sends the resume point.
func (conn *connection) open(ctx context.Context, token string) error {
	c := conn.client
	ws, response, err := websocket.Dial(ctx, c.server+"/v1/stream?resume=1", &websocket.DialOptions{
		Subprotocols:   []string{subprotocol},
		HTTPHeader:     http.Header{"Authorization": {"Bearer " + token}},
		HTTPClient:     c.http,
		OnPingReceived: func(context.Context, []byte) bool { conn.silent.Reset(conn.silence); return true },
	})
	if err != nil {
		if response != nil && response.StatusCode >= 300 {
			err = refusalOf(response)
		}
		conn.after, _ = c.classify(err, token)
		return err
	}
	ws.SetReadLimit(-1) // `ready` grows with the user's conversations
	conn.ws = ws
	at := c.journal.resumePoint()
	conn.fresh = len(at) == 0
	if err := conn.write(ctx, map[string]any{"type": "resume", "at": at, "epoch": c.journal.epoch}); err != nil {
		_ = ws.CloseNow() // it may be closed already
		return err
	}
	return nil
}

// write sends a frame.
func (conn *connection) write(ctx context.Context, frame any) error {
	encoded, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return conn.ws.Write(ctx, websocket.MessageText, encoded)
}

// read passes frames on until the connection ends, and returns the cause.
func (conn *connection) read(ctx context.Context, frames chan<- *frame) error {
	for {
		_, text, err := conn.ws.Read(ctx)
		if err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		conn.silent.Stop()
		f, err := decode(text)
		if err != nil {
			return err
		}
		if f.HeartbeatMS > 0 {
			conn.silence = 2 * time.Duration(f.HeartbeatMS) * time.Millisecond
		}
		select {
		case frames <- f:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		conn.silent.Reset(conn.silence)
	}
}

// refreshTokens refreshes the access token before it expires, and extends the
// connection with it.
func (conn *connection) refreshTokens(ctx context.Context, token string) {
	for sleep(ctx, time.Until(conn.client.currentSession().RefreshAt), nil) {
		next, err := conn.client.accessToken(ctx)
		if err != nil {
			return
		}
		if next != token {
			token = next
			_ = conn.write(ctx, map[string]any{"type": "refresh", "access_token": token}) // the reader notices an error too
		}
	}
}

// handleFrames handles frames until the connection ends, and returns the cause.
func (conn *connection) handleFrames(ctx context.Context, frames <-chan *frame) error {
	conn.client.setConnected(conn)
	defer conn.client.setDisconnected()
	conn.client.handler.State(Connected, nil)
	defer conn.typists.clear(conn.client.handler.Ephemeral)
	for {
		select {
		case f := <-frames:
			if err := conn.handle(ctx, f); err != nil {
				return cmp.Or(context.Cause(ctx), err) // the connection may have ended meanwhile
			}
		case <-conn.typists.nextExpiry():
			conn.typists.expire(conn.client.handler.Ephemeral)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// endOf returns why the client must not reconnect, or nil. Codes of RFC 6455 mean
// that it violated the protocol, which it would do again.
func endOf(err error) *Ended {
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		return nil
	}
	switch code := int(closed.Code); {
	case code >= 4500 && code < 5000, code == 1002, code == 1007, code == 1009:
		return &Ended{Code: code, Reason: closed.Reason}
	}
	return nil
}
