package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"ping/domain"
	"ping/internal/auth"
	"ping/internal/ephemeral"
	"ping/internal/transport"
	"ping/realtime/presence"
	"ping/realtime/protocol"
)

// socket is one socket of a user. Everything is sent through conn; partitions keep in
// attachments which events it receives.
type socket struct {
	hub         *Hub
	conn        *transport.Conn
	user        domain.ID
	attachments []attachment // one per partition
	gone        atomic.Bool  // the socket has ended: no partition may attach it

	announced string // the request's ?resume=
	cancel    context.CancelFunc

	// Used by the reading goroutine alone.
	rate, news  transport.Bucket
	refusals    int
	lastRefused time.Time
	typed       typed

	device presence.Device

	mu      sync.Mutex
	claims  auth.Claims
	expiry  *time.Timer
	first   chan protocol.ClientFrame // receives the first frame
	started bool                      // the first frame arrived, or is no longer awaited
}

func newSocket(h *Hub, claims auth.Claims, announced string) *socket {
	return &socket{
		hub: h, user: claims.UserID, device: presence.Device{User: claims.UserID}, claims: claims, announced: announced,
		attachments: make([]attachment, len(h.partitions)),
		first:       make(chan protocol.ClientFrame, 1),
	}
}

// Open starts the socket of an upgraded connection.
func (s *socket) Open(c *transport.Conn) {
	h := s.hub
	ctx, cancel := context.WithCancel(h.background)
	s.conn, s.cancel = c, cancel
	s.expireAt(s.claims.ExpiresAt)
	h.registry.add(s)
	h.presence.Local.Enter(&s.device)
	// What follows may panic; the socket can be ended from here on.
	opened := false
	defer func() {
		if !opened {
			_ = c.Close() // never fails; a close message would wait for Uncork
		}
	}()
	defer s.survive()
	s.endIfEnded()
	if h.draining.Load() {
		s.restart()
	}
	if ctx.Err() != nil {
		_ = s.conn.Close() // the hub has ended meanwhile; never fails
	}
	s.conn.Send(message(protocol.HelloFrame{
		Type: "hello", SessionID: s.claims.SessionID, Epoch: h.log.Epoch(), HeartbeatMS: h.cfg.Heartbeat.Milliseconds(),
		Limits: protocol.Limits{
			FrameBytes: protocol.MaxFrame, FramesPerSecond: protocol.FramesPerSecond, Refusals: protocol.MaxRefusals, ReplayEvents: h.cfg.MaxReplay,
			PendingBytes: h.cfg.MaxPending, ResumeWaitMS: h.cfg.ResumeWait.Milliseconds(),
			TypingExpiryMS: ephemeral.TypingLife.Milliseconds(), PresenceMembers: protocol.PresenceMembers,
		},
	}))
	s.conn.Uncork()
	opened = true
	h.sockets.Add(1)
	go func() {
		defer h.sockets.Done()
		defer cancel()
		s.run(ctx)
	}()
}

// ReceiveText handles a text message of the client.
func (s *socket) ReceiveText(payload []byte) {
	defer s.survive()
	s.receive(payload)
}

// ReceiveBinary refuses a binary message of the client.
func (s *socket) ReceiveBinary() { s.refuse(protocol.ErrFrameBinary, "") }

// Ended forgets the socket when its connection is gone.
func (s *socket) Ended() {
	defer s.hub.sockets.Done()
	s.end()
}

// run starts the socket: until it is live, this goroutine sends; then the partitions
// do, and it ends.
func (s *socket) run(ctx context.Context) {
	defer s.survive()
	resume, err := s.awaitResume(ctx)
	if err == nil {
		err = s.startUp(ctx, resume)
	}
	switch {
	case errors.Is(err, errBusy), errors.Is(err, errBehind): // both are temporary
		s.sendAway("busy", protocol.CloseBusy, busyLeast, s.hub.cfg.BusySpread)
	case err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil:
		s.hub.logger.Error("stream could not start", "user_id", s.user, "error", err)
		s.conn.CloseWith(closing(protocol.CloseInternal))
	}
}

// end removes a socket whose connection has ended.
func (s *socket) end() {
	h := s.hub
	s.gone.Store(true)
	s.cancel()
	h.registry.remove(s)
	for _, p := range h.partitions {
		p.detach(s)
	}
	s.mu.Lock()
	s.expiry.Stop()
	s.mu.Unlock()
	notify(h.left)
	s.stopTyping(h.background)
	h.presence.Local.Leave(&s.device)
}

func (s *socket) expireAt(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiry == nil {
		s.expiry = time.AfterFunc(time.Until(at), func() { s.conn.CloseWith(closing(protocol.CloseExpired)) })
	} else {
		s.expiry.Reset(time.Until(at))
	}
}

// endIfEnded closes a socket whose session or user ended after its token was verified
// and before the hub could find the socket.
func (s *socket) endIfEnded() {
	s.mu.Lock()
	claims := s.claims
	s.mu.Unlock()
	switch s.hub.tokens.Ended(claims) {
	case auth.SessionEnded:
		s.conn.CloseWith(closing(protocol.CloseLoggedOut))
	case auth.UserErased:
		s.conn.CloseWith(closing(protocol.CloseErased))
	}
}

func (s *socket) ofSession(session domain.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims.SessionID == session
}

// survive turns a panic into the end of this socket alone.
func (s *socket) survive() {
	if r := recover(); r != nil {
		s.hub.logger.Error("stream panicked", "user_id", s.user, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		s.conn.CloseWith(closing(protocol.CloseInternal))
	}
}

// receive handles a text message of the client.
func (s *socket) receive(payload []byte) {
	if s.refusals >= protocol.MaxRefusals {
		return // it is closing; further frames are ignored
	}
	if !takeFrame(&s.rate, time.Now()) {
		s.refuse(protocol.ErrFrameRate, "")
		return
	}
	if len(payload) > protocol.MaxFrame {
		s.refuse(protocol.ErrFrameTooLarge, "")
		return
	}
	if !utf8.Valid(payload) {
		s.conn.CloseWith(closing(protocol.CloseInvalidText))
		return
	}
	var frame protocol.ClientFrame
	if json.Unmarshal(payload, &frame) != nil || len(frame.ID) > protocol.MaxReference {
		s.refuse(protocol.ErrFrameInvalid, "")
		return
	}
	first := s.takeFirst(frame)
	switch frame.Type {
	case "resume":
		if !first {
			s.conn.CloseWith(closing(protocol.CloseResumeLate))
		}
	case "refresh":
		s.refresh(frame)
	case "typing":
		s.typing(s.hub.background, frame)
	case "presence":
		s.present(frame)
	case "ping":
		s.conn.Send(message(protocol.PongFrame{Type: "pong", Re: frame.ID}))
	default:
		s.refuse(protocol.ErrTypeUnknown, frame.ID)
	}
}

// take passes the first frame to awaitResume. It reports whether this is the first
// frame, and in time.
func (s *socket) takeFirst(frame protocol.ClientFrame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return false
	}
	s.started = true
	s.first <- frame
	return true
}

// awaitResume waits for the client's first frame, for as long as the request announced,
// and returns it if it is a `resume`.
func (s *socket) awaitResume(ctx context.Context) (*protocol.ClientFrame, error) {
	wait := s.hub.cfg.ResumeWait
	switch s.announced {
	case "0":
		wait = 0
	case "1":
		wait = announcedWait
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var frame protocol.ClientFrame
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case frame = <-s.first:
	case <-timer.C:
		s.mu.Lock()
		late := !s.started
		s.started = true
		s.mu.Unlock()
		switch {
		case !late:
			frame = <-s.first // it arrived at the same moment
		case s.announced == "1":
			s.conn.CloseWith(closing(protocol.CloseResumeLate)) // the announced resume did not arrive
			return nil, context.Canceled
		}
	}
	s.mu.Lock()
	s.first = nil // the channel is not needed any more
	s.mu.Unlock()
	if frame.Type != "resume" {
		return nil, nil
	}
	return &frame, nil
}

// refresh extends the socket with a newer token of the same user.
func (s *socket) refresh(frame protocol.ClientFrame) {
	claims, err := s.hub.tokens.Verify(frame.AccessToken)
	switch {
	case err != nil:
		s.refuse(protocol.ErrTokenInvalid, frame.ID)
	case claims.UserID != s.user:
		s.refuse(protocol.ErrTokenOfOtherUser, frame.ID)
	default:
		s.hub.at(stepVerified)
		s.mu.Lock()
		s.claims = claims
		s.mu.Unlock()
		s.expireAt(claims.ExpiresAt)
		s.endIfEnded()
	}
}

// refuse answers a frame that is not accepted. After a few, the socket is closed, so
// that a flood has a few answers only.
func (s *socket) refuse(why protocol.Refusal, re string) {
	if s.refusals >= protocol.MaxRefusals {
		return
	}
	now := time.Now()
	if now.Sub(s.lastRefused) > protocol.RefusalWindow {
		s.refusals = 0
	}
	s.refusals++
	s.lastRefused = now
	if s.refusals >= protocol.MaxRefusals {
		s.conn.SendAndClose(s.errorMessage(why, re), closing(protocol.CloseProtocol))
		return
	}
	s.answer(why, re)
}

// answer answers a frame that cannot be served now, which is not the client's fault.
func (s *socket) answer(why protocol.Refusal, re string) { s.conn.Send(s.errorMessage(why, re)) }

func (s *socket) errorMessage(why protocol.Refusal, re string) []byte {
	s.hub.metrics.errors.WithLabelValues(why.Code).Inc()
	return message(protocol.ErrorFrame{Type: "error", Code: why.Code, Message: why.Message, Re: re, RetryAfterMS: why.RetryAfter.Milliseconds()})
}

// restart tells a client to reconnect later, to another node.
func (s *socket) restart() { s.sendAway("restart", protocol.CloseRestart, 0, s.hub.cfg.DrainSpread) }

// sendAway tells a client to reconnect after a delay, which differs per client.
func (s *socket) sendAway(reason string, code protocol.CloseCode, least, spread time.Duration) {
	after := least + time.Duration(rand.Int64N(int64(spread)))
	s.conn.SendAndClose(message(protocol.ReconnectFrame{Type: "reconnect", AfterMS: after.Milliseconds(), Reason: reason}), closing(code))
}
