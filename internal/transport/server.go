package transport

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
)

// Handler is the application's end of a socket. Its methods run on the goroutine
// that reads the socket, one at a time. None may panic.
type Handler interface {
	// Open begins with an upgraded connection, which is corked: see Conn.Uncork.
	Open(c *Conn)
	// ReceiveText and ReceiveBinary take the messages of the client.
	ReceiveText(payload []byte)
	ReceiveBinary()
	// Ended is called when the connection is gone. It is the last call.
	Ended()
}

// Server upgrades requests to WebSockets.
type Server struct {
	cfg     Config
	melody  *melody.Melody
	drains  sync.WaitGroup // goroutines that wait for slow clients
	sockets sync.WaitGroup
}

// never is longer than any socket lives.
const never = 100 * 365 * 24 * time.Hour

// NewServer makes a server of sockets.
func NewServer(cfg Config) *Server {
	s := &Server{cfg: cfg, melody: melody.New()}
	s.melody.Config = &melody.Config{
		// Conn pings and decides when a client is gone. A ping of Melody would be
		// written by its goroutine, whose stack it grows from 2 to 4 KB.
		PingPeriod: never, PongWait: never,
		WriteWait: writeTimeout, MaxMessageSize: cfg.MaxMessage,
		MessageBufferSize: 1, // nothing is ever sent through Melody
	}
	s.melody.Upgrader = &websocket.Upgrader{
		ReadBufferSize:  readBuffer,
		WriteBufferPool: &sync.Pool{}, // control messages are written at once: no socket needs a buffer of its own
		Subprotocols:    []string{cfg.Subprotocol},
		CheckOrigin:     func(*http.Request) bool { return true }, // the caller has checked it
		Error: func(w http.ResponseWriter, _ *http.Request, status int, _ error) {
			http.Error(w, `{"title":"`+http.StatusText(status)+`","code":"upgrade_required"}`, status)
		},
	}
	s.melody.HandleConnect(func(m *melody.Session) {
		m.Request = nil // it would be held for as long as the socket lives
		c := connOf(m)
		upgraded := c.upgraded
		c.upgraded = nil
		c.listen()
		c.handler.Open(c)
		upgraded <- nil
	})
	s.melody.HandleMessage(func(m *melody.Session, payload []byte) { connOf(m).handler.ReceiveText(payload) })
	s.melody.HandleMessageBinary(func(m *melody.Session, _ []byte) { connOf(m).handler.ReceiveBinary() })
	s.melody.HandleDisconnect(func(m *melody.Session) { connOf(m).handler.Ended() })
	return s
}

// connOf returns our connection beneath a session, which saves a map per socket.
func connOf(m *melody.Session) *Conn { return m.WebsocketConnection().NetConn().(*Conn) }

// Upgrade turns the request into a socket and returns once the handler is open.
// The socket lives on in goroutines of its own, which hold nothing of the
// request. After an error the request has been answered.
func (s *Server) Upgrade(w http.ResponseWriter, r *http.Request, h Handler) error {
	upgraded := make(chan error, 1)
	s.sockets.Add(1)
	hijacked := new(*Conn)
	go s.serve(&hijacker{w, s, h, upgraded, hijacked}, r, upgraded, hijacked)
	return <-upgraded
}

// serve upgrades and reads until the socket ends. What it needs for the upgrade
// is passed in, so that it is free afterwards.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, upgraded chan<- error, hijacked **Conn) {
	defer s.sockets.Done()
	defer s.survive(upgraded, hijacked)
	if err := s.melody.HandleRequest(w, r); err != nil {
		upgraded <- err
	}
}

// survive turns a panic into the end of one socket. Outside the goroutines of the
// HTTP server, a panic would end the process.
func (s *Server) survive(upgraded chan<- error, hijacked **Conn) {
	panicked := recover()
	if panicked == nil {
		return
	}
	s.cfg.Logger.Error("socket panicked", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
	if *hijacked != nil {
		_ = (*hijacked).Close() // never fails
	}
	select {
	case upgraded <- errPanic:
	default: // Upgrade has returned
	}
}

var errPanic = errors.New("the upgrade panicked")

// Wait returns when all sockets have ended. No upgrade may begin meanwhile.
func (s *Server) Wait() {
	s.sockets.Wait()
	s.drains.Wait()
}

// hijacker puts our connection beneath the WebSocket: gorilla takes what Hijack
// returns for the network connection.
type hijacker struct {
	http.ResponseWriter
	server   *Server
	handler  Handler
	upgraded chan<- error
	hijacked **Conn
}

func (w *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	conn := w.server.NewConn(c, w.handler)
	conn.upgraded = w.upgraded
	*w.hijacked = conn
	return conn, rw, nil
}
