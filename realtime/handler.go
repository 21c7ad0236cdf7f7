package realtime

import (
	"bufio"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"
	"github.com/olahol/melody"

	"ping/internal/auth"
	"ping/internal/web"
)

// Subprotocol is what this package speaks; clients must offer it.
const Subprotocol = "ping.v1.json"

// Register serves the stream at GET /v1/stream, and its contract.
func (h *Hub) Register(e *echo.Echo) {
	e.GET("/v1/stream", h.serve)
	e.GET("/asyncapi.json", serveAsyncAPI)
}

func (h *Hub) serve(c echo.Context) error {
	err := h.open(c)
	if err != nil {
		h.metrics.refuse(err)
	}
	return err
}

// open checks a request in full, upgrades it and returns; the stream lives on
// in goroutines of its own, which hold nothing of the request.
func (h *Hub) open(c echo.Context) error {
	r := c.Request()
	if err := h.check(r); err != nil {
		return err
	}
	claims, err := h.authenticate(r)
	if err != nil {
		return err
	}
	h.at(stepVerified)
	if !h.admit() {
		return errShuttingDown
	}
	s := newSocket(h, claims, r.URL.Query().Get("resume"))
	up := make(chan error, 1)
	s.connected = func() { up <- nil }
	go h.live(&upgradeWriter{ResponseWriter: c.Response(), socket: s}, r, up)
	if err := <-up; err != nil {
		h.logger.Debug("upgrade failed", "error", err)
	}
	return nil
}

// live upgrades and reads until the stream's end. When it fails to upgrade,
// the answer has been written. It takes its arguments as such, because what a
// closure captures would be kept for as long as the stream lives.
func (h *Hub) live(w http.ResponseWriter, r *http.Request, up chan<- error) {
	defer h.sockets.Done()
	if err := h.melody.HandleRequest(w, r); err != nil {
		up <- err
	}
}

// check refuses what no authentication can make good.
func (h *Hub) check(r *http.Request) error {
	switch {
	case h.draining.Load():
		return errShuttingDown
	case r.ProtoMajor != 1 || !websocket.IsWebSocketUpgrade(r) || r.Header.Get("Sec-Websocket-Version") != "13" ||
		!keyValid(r.Header.Get("Sec-Websocket-Key")):
		return errUpgradeRequired
	case !slices.Contains(websocket.Subprotocols(r), Subprotocol):
		return errSubprotocol
	case !h.originAllowed(r):
		return errOrigin
	}
	select {
	case <-h.ready:
		return nil
	default:
		return web.ErrBusy
	}
}

// keyValid tells what gorilla takes: 16 bytes in base64.
func keyValid(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(b) == 16
}

// originAllowed keeps pages of other sites from opening a stream with what a
// browser knows of its user.
func (h *Hub) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	for _, allowed := range h.cfg.Origins {
		if allowed == "*" || strings.EqualFold(allowed, origin) {
			return true
		}
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// authenticate accepts a bearer token, or a ticket where no header can be sent.
func (h *Hub) authenticate(r *http.Request) (auth.Claims, error) {
	if token := web.BearerToken(r); token != "" {
		claims, err := h.tokens.Verify(token)
		if err != nil {
			return auth.Claims{}, web.ErrUnauthenticated
		}
		return claims, nil
	}
	if ticket := r.URL.Query().Get("ticket"); ticket != "" {
		claims, err := h.tickets.Redeem(r.Context(), ticket)
		if err != nil {
			return auth.Claims{}, err
		}
		if h.tokens.Ended(claims) != auth.NotEnded {
			return auth.Claims{}, web.ErrUnauthenticated
		}
		return claims, nil
	}
	return auth.Claims{}, web.ErrUnauthenticated
}

// upgradeWriter puts our connection beneath the WebSocket: gorilla takes what
// Hijack returns for the network's.
type upgradeWriter struct {
	http.ResponseWriter
	socket *socket
}

func (w *upgradeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.socket.conn = newConn(c, w.socket.hub.cfg, &w.socket.hub.drains, w.socket.hub.metrics)
	w.socket.conn.socket = w.socket
	return w.socket.conn, rw, nil
}

// newMelody makes the life cycle of sockets: upgrade, reading, pings, end.
// Nothing is ever sent through it but control messages.
func newMelody(h *Hub) *melody.Melody {
	m := melody.New()
	m.Upgrader = &websocket.Upgrader{
		ReadBufferSize:  512,
		WriteBufferSize: 128, // a control message
		Subprotocols:    []string{Subprotocol},
		CheckOrigin:     func(*http.Request) bool { return true }, // check has seen it
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			h.logger.Debug("upgrade refused", "status", status, "error", reason)
			http.Error(w, `{"title":"`+http.StatusText(status)+`","code":"upgrade_required"}`, status)
		},
	}
	m.Config.PingPeriod = h.cfg.Heartbeat
	m.Config.PongWait = 2 * h.cfg.Heartbeat
	m.Config.MaxMessageSize = maxMessage
	m.Config.MessageBufferSize = 1
	m.HandleConnect(func(session *melody.Session) {
		session.Request = nil // it would keep the request's headers and buffers
		socketOf(session).start()
	})
	m.HandleMessage(func(session *melody.Session, frame []byte) { socketOf(session).receive(frame) })
	m.HandleMessageBinary(func(session *melody.Session, _ []byte) { socketOf(session).refuse(errFrameBinary, "") })
	m.HandleDisconnect(func(session *melody.Session) { socketOf(session).end() })
	return m
}

func socketOf(session *melody.Session) *socket {
	return session.WebsocketConnection().NetConn().(*conn).socket
}
