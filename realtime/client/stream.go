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

var errSilent = errors.New("the server has fallen silent")

// stream is one connection.
type stream struct {
	client *Client
	ws     *websocket.Conn

	// Used by the reader alone. The timer ends a connection on which nothing is
	// heard, neither a frame nor the server's ping; it stands still while a frame
	// waits to be handled.
	silent  *time.Timer
	silence time.Duration

	// Used by Run's goroutine alone.
	begins  bool // there was nothing to resume
	epoch   int
	heads   []head
	typists typists
	resumed time.Time     // when all that was missed had come
	after   time.Duration // when to come back, where the server has said so
}

// follow opens the stream and handles its frames to its end.
func (s *stream) follow(ctx context.Context) error {
	token, err := s.client.accessToken(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.silence = time.Minute // until hello tells the server's heartbeat
	s.silent = time.AfterFunc(s.silence, func() { cancel(errSilent) })
	defer s.silent.Stop()
	if err := s.open(ctx, token); err != nil {
		return err
	}
	frames := make(chan *frame)
	var running sync.WaitGroup
	running.Go(func() { cancel(s.read(ctx, frames)) })
	running.Go(func() { s.keepToken(ctx, token) })
	err = s.handleAll(ctx, frames)
	cancel(nil)
	_ = s.ws.CloseNow() // the server may have closed it
	running.Wait()
	if websocket.CloseStatus(err) == closeExpired {
		s.client.spend(token)
	}
	return err
}

// open connects and says from where to go on.
func (s *stream) open(ctx context.Context, token string) error {
	c := s.client
	ws, response, err := websocket.Dial(ctx, c.server+"/v1/stream?resume=1", &websocket.DialOptions{
		Subprotocols:   []string{subprotocol},
		HTTPHeader:     http.Header{"Authorization": {"Bearer " + token}},
		HTTPClient:     c.http,
		OnPingReceived: func(context.Context, []byte) bool { s.silent.Reset(s.silence); return true },
	})
	if err != nil {
		if response != nil && response.StatusCode >= 300 {
			err = refusalOf(response)
		}
		s.after, _ = c.judge(err, token)
		return err
	}
	ws.SetReadLimit(-1) // `ready` grows with the user's conversations
	s.ws = ws
	at := c.journal.resumePoint()
	s.begins = len(at) == 0
	if err := s.write(ctx, map[string]any{"type": "resume", "at": at, "epoch": c.journal.epoch}); err != nil {
		_ = ws.CloseNow() // it may be closed already
		return err
	}
	return nil
}

// write sends a frame.
func (s *stream) write(ctx context.Context, frame any) error {
	encoded, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return s.ws.Write(ctx, websocket.MessageText, encoded)
}

// read passes frames on until the connection ends, and returns why it did.
func (s *stream) read(ctx context.Context, frames chan<- *frame) error {
	for {
		_, text, err := s.ws.Read(ctx)
		if err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		s.silent.Stop()
		f, err := decode(text)
		if err != nil {
			return err
		}
		if f.HeartbeatMS > 0 {
			s.silence = 2 * time.Duration(f.HeartbeatMS) * time.Millisecond
		}
		select {
		case frames <- f:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s.silent.Reset(s.silence)
	}
}

// keepToken refreshes the token before it expires, and extends the stream.
func (s *stream) keepToken(ctx context.Context, token string) {
	for sleep(ctx, time.Until(s.client.currentSession().RefreshAt), nil) {
		next, err := s.client.accessToken(ctx)
		if err != nil {
			return
		}
		if next != token {
			token = next
			_ = s.write(ctx, map[string]any{"type": "refresh", "access_token": token}) // the reader notices too
		}
	}
}

// handleAll handles frames until the connection ends, and returns why it did.
func (s *stream) handleAll(ctx context.Context, frames <-chan *frame) error {
	s.client.opened(s)
	defer s.client.closed()
	s.client.handler.State(Connected, nil)
	defer s.typists.forget(s.client.handler.Ephemeral)
	for {
		select {
		case f := <-frames:
			if err := s.handle(ctx, f); err != nil {
				return cmp.Or(context.Cause(ctx), err) // the connection may have ended meanwhile
			}
		case <-s.typists.due():
			s.typists.expire(s.client.handler.Ephemeral)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// endOf tells whether a stream's end is the client's. Codes of RFC 6455 say
// that the client broke the protocol, which it will do again.
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
