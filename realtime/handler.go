package realtime

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"

	"ping/internal/auth"
	"ping/internal/web"
	"ping/realtime/contract"
	"ping/realtime/protocol"
)

// Handler answers the requests that open sockets.
type Handler struct {
	hub     *Hub
	tokens  *auth.Tokens
	tickets *auth.Tickets
}

// NewHandler makes a handler for the sockets of a hub.
func NewHandler(hub *Hub, tokens *auth.Tokens, tickets *auth.Tickets) *Handler {
	return &Handler{hub, tokens, tickets}
}

// Register serves sockets at GET /v1/stream, and the AsyncAPI document.
func (h *Handler) Register(e *echo.Echo) {
	e.GET("/v1/stream", h.serve)
	e.GET("/asyncapi.json", contract.Serve)
}

func (h *Handler) serve(c echo.Context) error {
	err := h.open(c)
	if err != nil {
		h.hub.metrics.refuse(err)
	}
	return err
}

// open checks a request, upgrades it and returns. The socket lives on in
// goroutines of its own, which hold nothing of the request.
func (h *Handler) open(c echo.Context) error {
	r := c.Request()
	if err := h.check(r); err != nil {
		return err
	}
	claims, err := h.authenticate(r)
	if err != nil {
		return err
	}
	h.hub.at(stepVerified)
	if !h.hub.admit() {
		return protocol.ErrShuttingDown
	}
	if err := h.hub.transport.Upgrade(c.Response(), r, newSocket(h.hub, claims, r.URL.Query().Get("resume"))); err != nil {
		h.hub.sockets.Done()
		h.hub.logger.Debug("upgrade failed", "error", err) // the request has been answered
	}
	return nil
}

// check refuses requests that no authentication makes valid.
func (h *Handler) check(r *http.Request) error {
	switch {
	case h.hub.draining.Load():
		return protocol.ErrShuttingDown
	case r.ProtoMajor != 1 || !websocket.IsWebSocketUpgrade(r) || r.Header.Get("Sec-Websocket-Version") != "13" ||
		!keyValid(r.Header.Get("Sec-Websocket-Key")):
		return web.ErrUpgradeRequired
	case !slices.Contains(websocket.Subprotocols(r), protocol.Subprotocol):
		return protocol.ErrSubprotocol
	case !h.originAllowed(r):
		return protocol.ErrOrigin
	}
	select {
	case <-h.hub.ready:
		return nil
	default:
		return web.ErrBusy
	}
}

// keyValid reports whether gorilla accepts a key: 16 bytes in base64.
func keyValid(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(b) == 16
}

// originAllowed prevents pages of other sites from opening a socket with the
// credentials of a browser.
func (h *Handler) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	for _, allowed := range h.hub.cfg.Origins {
		if allowed == "*" || strings.EqualFold(allowed, origin) {
			return true
		}
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// authenticate accepts a bearer token, or a ticket where no header can be sent.
func (h *Handler) authenticate(r *http.Request) (auth.Claims, error) {
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
