package realtime

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/realtime/contract"
	"ping/realtime/contract/contracttest"
	"ping/realtime/protocol"
)

// TestContractOfStream provokes every frame of the document on real sockets,
// with every event and every code; client.read holds each to the document.
func TestContractOfStream(t *testing.T) {
	w := newWorld(t)
	s := &spoken{node: w.start(Config{MaxReplay: 10}), Seen: contracttest.NewSeen()}
	s.everyEvent(t)
	s.everyReplay(t)
	s.everyRefusal(t)
	s.everyEphemeral(t)
	s.everyAnswer(t)
	s.withoutRedis(t, *w)

	for key := range contracttest.New(t).Messages {
		require.NotZero(t, s.Frames[key], "%s: provoke it here", key)
	}
	for _, e := range contract.DurableEvents {
		require.NotZero(t, s.Frames["event "+e.Event.Type()], e.Event.Type())
	}
	for _, why := range protocol.Refusals {
		require.NotZero(t, s.Errors[why.Code], "%s: provoke it here", why.Code)
	}
}

// spoken is all that the clients of one node saw and sent.
type spoken struct {
	*node
	*contracttest.Seen
}

func (s *spoken) client(user domain.ID) *client {
	c := newClient(s.t, user)
	c.told = s.Seen
	return c
}

func (s *spoken) open(user domain.ID) *client {
	c := s.client(user)
	c.connect(s.node, "?resume=0")
	c.until("ready")
	return c
}

// everyEvent records each event that there may be, in a group's stream or the
// client's own.
func (s *spoken) everyEvent(t *testing.T) {
	t.Helper()
	alice, bob := newID(), newID()
	group := s.group(alice, bob)
	c := s.open(bob)
	for _, file := range contracttest.Files(t, "../domain/testdata/events/*.json") {
		e := contracttest.EventOfFile(t, file)
		if sent, ok := e.(domain.MessageSent); ok {
			sent.MessageID = newID()
			e = sent
		}
		if strings.HasPrefix(e.Type(), "user.") {
			c.untilEvent(s.executeUser(bob, e))
			continue
		}
		c.untilEvent(execute(s.node, group, alice, func(*domain.Conversation) ([]domain.Event, error) {
			return []domain.Event{e}, nil
		}).Events[0])
	}
}

func (n *node) executeUser(user domain.ID, e domain.Event) *eventlog.Event {
	n.t.Helper()
	result, err := eventlog.Execute(waitAtMost(n.t), n.log, eventlog.Users, eventlog.Command{Stream: user, Actor: user},
		func(*domain.User, int64) ([]domain.Event, error) { return []domain.Event{e}, nil })
	require.NoError(n.t, err)
	return result.Events[0]
}

// everyReplay resumes with all that a resume may bring.
func (s *spoken) everyReplay(t *testing.T) {
	t.Helper()
	alice, bob := newID(), newID()
	group := s.group(alice, bob)
	c := s.open(bob)
	c.cut()
	for range 11 {
		s.reach(s.send(group, alice, "x"))
	}
	c.resume(s.node)
	for code, frame := range map[string]map[string]any{
		"epoch_changed":    {"type": "resume", "epoch": 2, "at": []string{"0:1"}},
		"resume_invalid":   {"type": "resume", "at": []string{"0:1", "0:2"}},
		"position_unknown": {"type": "resume", "at": []string{"0:1000000"}},
	} {
		c := s.client(bob)
		c.connect(s.node, "?resume=1")
		c.say(frame)
		require.Equal(t, code, c.until("error").Code)
		c.until("resumed")
	}
}

// everyRefusal sends what is refused; what rejects it is in the code.
func (s *spoken) everyRefusal(t *testing.T) {
	t.Helper()
	user := newID()
	for code, send := range map[string]func(c *client){
		"frame_invalid":       func(c *client) { c.writeRaw(websocket.MessageText, []byte("[]")) },
		"frame_too_large":     func(c *client) { c.writeRaw(websocket.MessageText, make([]byte, protocol.MaxFrame+1)) },
		"frame_binary":        func(c *client) { c.writeRaw(websocket.MessageBinary, nil) },
		"type_unknown":        func(c *client) { c.write(map[string]any{"type": "shout", "id": "7"}) },
		"token_invalid":       func(c *client) { c.say(map[string]any{"type": "refresh", "access_token": "x"}) },
		"token_of_other_user": func(c *client) { c.say(map[string]any{"type": "refresh", "access_token": s.token(newID())}) },
		"rate_limited": func(c *client) {
			for range 2 * protocol.FrameBurst {
				if c.conn.Write(waitAtMost(t), websocket.MessageText, []byte(`{"type":"ping"}`)) != nil {
					break // closed already
				}
			}
		},
	} {
		c := s.open(user)
		send(c)
		require.Equal(t, code, c.until("error").Code)
	}
}

// everyEphemeral provokes what is not kept, and its refusals.
func (s *spoken) everyEphemeral(t *testing.T) {
	t.Helper()
	alice, bob, reader := newID(), newID(), newID()
	group := s.group(alice, bob)
	s.loadInbox()
	a, b := s.open(alice), s.open(bob)
	s.known(alice)
	s.known(bob)
	b.say(map[string]any{"type": "presence", "state": "away", "id": "1"})
	for a.until("presence").State != "away" {
	}
	b.say(map[string]any{"type": "typing", "conversation_id": group.String(), "on": true, "id": "2"})
	require.True(t, a.until("typing").On)
	b.say(map[string]any{"type": "typing", "conversation_id": group.String(), "on": false})
	require.False(t, a.until("typing").On)
	s.stealth(group, alice, "psst", 50*time.Millisecond)
	b.until("stealth")
	require.Equal(t, "expired", b.until("stealth_gone").Reason)
	s.hub.router.subscribed <- struct{}{} // as when Redis is back
	a.until("ephemeral_gap")

	s.reach(execute(s.node, group, alice, func(c *domain.Conversation) ([]domain.Event, error) {
		return c.AddMember(domain.AddMember{Actor: alice, UserID: reader, Role: domain.RoleReader})
	}).Events[0])
	r := s.open(reader)
	for code, frame := range map[string]map[string]any{
		"presence_invalid":       {"type": "presence", "state": "busy"},
		"conversation_not_found": {"type": "typing", "conversation_id": newID().String(), "on": true},
		"forbidden":              {"type": "typing", "conversation_id": group.String(), "on": true},
	} {
		r.write(frame)
		require.Equal(t, code, r.until("error").Code)
	}
}

// withoutRedis uses a node whose Redis is unavailable.
func (s *spoken) withoutRedis(t *testing.T, w world) {
	t.Helper()
	w.redis = redis.NewClient(&redis.Options{Network: "unix", Addr: "/nonexistent/redis.sock", MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, w.redis.Close()) })
	s.node = w.start(Config{})
	user := newID()
	group := s.group(user)
	c := s.open(user)
	s.known(user)
	c.say(map[string]any{"type": "typing", "conversation_id": group.String(), "on": true})
	f := c.until("error")
	require.Equal(t, "ephemeral_unavailable", f.Code)
	require.Positive(t, f.RetryAfterMS)
}

// everyAnswer sends what is answered or taken, and ends the node.
func (s *spoken) everyAnswer(t *testing.T) {
	t.Helper()
	c := s.open(newID())
	c.say(map[string]any{"type": "refresh", "id": "1", "access_token": s.token(c.user)})
	c.say(map[string]any{"type": "ping", "id": "2"})
	require.Equal(t, "2", c.until("pong").Re)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- s.hub.Drain(ctx) }()
	require.Equal(t, "restart", c.until("reconnect").Reason)
	require.Equal(t, protocol.CloseRestart, c.closed())
	cancel()
	<-drained // others did not close, so they were cut
}
