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

// Register serves the stream at GET /v1/stream, and its contract.
func (h *Hub) Register(e *echo.Echo) {
	e.GET("/v1/stream", h.serve)
	e.GET("/asyncapi.json", contract.Serve)
}

func (h *Hub) serve(c echo.Context) error {
	err := h.open(c)
	if err != nil {
		h.metrics.refuse(err)
	}
	return err
}

// open checks a request in full, upgrades it and returns; the stream lives on
// in a goroutine of its own, which holds nothing of the request.
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
		return protocol.ErrShuttingDown
	}
	if err := h.transport.Upgrade(c.Response(), r, newSocket(h, claims, r.URL.Query().Get("resume"))); err != nil {
		h.sockets.Done()
		h.logger.Debug("upgrade failed", "error", err) // the request has been answered
	}
	return nil
}

// check refuses what no authentication can make good.
func (h *Hub) check(r *http.Request) error {
	switch {
	case h.draining.Load():
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
