package realtime

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/eventlog"
)

// quickly are times at which a test need not wait.
var quickly = Config{PresenceBeat: 100 * time.Millisecond, PresenceLife: time.Second, PresenceGrace: 100 * time.Millisecond}

// stealth sends a stealth message through a node.
func (n *node) stealth(conversation, author domain.ID, body string, ttl time.Duration) ephemeral.Stealth {
	n.t.Helper()
	return n.stealthAfter(0, conversation, author, body, ttl)
}

// stealthAfter sends one that was decided on at a position of the log.
func (n *node) stealthAfter(after int64, conversation, author domain.ID, body string, ttl time.Duration) ephemeral.Stealth {
	n.t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	m := ephemeral.Stealth{ID: newID(), ConversationID: conversation, AuthorID: author, Body: body, SentAt: now, ExpiresAt: now.Add(ttl)}
	_, _, err := n.store.Post(n.t.Context(), m, after, "", nil)
	require.NoError(n.t, err)
	return m
}

// block makes a user block another one.
func (n *node) block(by, who domain.ID, on bool) {
	n.t.Helper()
	_, err := eventlog.Execute(n.t.Context(), n.log, eventlog.Users, eventlog.Command{Stream: by, Actor: by},
		func(u *domain.User, _ int64) ([]domain.Event, error) {
			if on {
				return []domain.Event{domain.UserBlocked{UserID: who}}, nil
			}
			return []domain.Event{domain.UserUnblocked{UserID: who}}, nil
		})
	require.NoError(n.t, err)
}

func TestStealthFrames(t *testing.T) {
	w := newWorld(t)
	one, other := w.start(quickly), w.start(quickly)
	alice, bob, eve := newID(), newID(), newID()
	group := one.group(alice, bob)
	other.group(eve, newID())
	here, there, outside := one.open(alice), other.open(bob), other.open(eve)

	t.Run("reach every member on every node, and nobody else", func(t *testing.T) {
		one.stealth(group, alice, "psst", time.Minute)
		require.Equal(t, "psst", here.until("stealth").Body)
		require.Equal(t, "psst", there.until("stealth").Body)
		outside.write(map[string]any{"type": "ping"})
		require.Equal(t, "pong", outside.next().Type)
	})
	t.Run("tell when one expires, and when one is withdrawn", func(t *testing.T) {
		brief := one.stealth(group, alice, "brief", 50*time.Millisecond)
		f := there.until("stealth_gone")
		require.Equal(t, brief.ID.String(), f.ID)
		require.Equal(t, "expired", f.Reason)
		long := one.stealth(group, alice, "long", time.Minute)
		require.NoError(t, one.store.Withdraw(t.Context(), group, long.ID, alice))
		f = there.until("stealth_gone")
		require.Equal(t, long.ID.String(), f.ID)
		require.Equal(t, "withdrawn", f.Reason)
	})
	t.Run("reach who was added, without reconnecting, and not who was removed", func(t *testing.T) {
		other.reach(one.add(group, alice, eve))
		one.stealth(group, alice, "welcome", time.Minute)
		require.Equal(t, "welcome", outside.until("stealth").Body)
		require.Equal(t, "welcome", there.until("stealth").Body)
		other.reach(one.remove(group, alice, eve))
		one.stealth(group, alice, "she is gone", time.Minute)
		require.Equal(t, "she is gone", there.until("stealth").Body)
		outside.write(map[string]any{"type": "ping"})
		for f := outside.next(); f.Type != "pong"; f = outside.next() {
			require.NotEqual(t, "stealth", f.Type)
		}
	})
	t.Run("wait for the membership that they were sent on", func(t *testing.T) {
		added := one.add(group, alice, eve)
		other.reach(added)
		next := added.Position + 1 // the removal's: to this node it is still to come
		one.stealthAfter(next, group, alice, "not for her", time.Minute)
		require.Equal(t, next, one.remove(group, alice, eve).Position)
		require.Equal(t, "not for her", there.until("stealth").Body)
		for f := outside.next(); f.Event != "member.removed"; f = outside.next() {
			require.NotEqual(t, "not for her", f.Body)
		}
		require.NotContains(t, outside.untilPong(), "stealth")
	})
	t.Run("are told to be missing where the log does not come so far", func(t *testing.T) {
		one.stealthAfter(1<<40, group, alice, "of a membership that is unknown", time.Minute)
		require.NotContains(t, there.typesUntil("ephemeral_gap"), "stealth")
	})
	t.Run("that come while the stream begins come after ready, or are told to be missing", func(t *testing.T) {
		n := w.start(Config{MaxPending: 8 << 10})
		c := newClient(t, alice)
		reached := make(chan struct{})
		big := strings.Repeat("x", 1000)
		act := func(at step) {
			if at == stepReplayed {
				n.hub.reached.Store(nil)
				for range 8 { // more than may be held back
					n.stealth(group, bob, big, time.Minute)
				}
				close(reached)
			}
		}
		n.hub.reached.Store(&act)
		c.connect(n, "?resume=0")
		<-reached
		c.until("ready")
		got := 0
		for f := c.next(); f.Type != "ephemeral_gap"; f = c.next() {
			if f.Type == "stealth" {
				got++
			}
			if got == 8 {
				return
			}
		}
	})
}

func TestTyping(t *testing.T) {
	w := newWorld(t)
	one, other := w.start(quickly), w.start(quickly)
	alice, bob, carol, eve := newID(), newID(), newID(), newID()
	group := one.group(alice, bob, carol)
	other.reach(one.add(group, alice, eve))
	a, a2, b, e := one.open(alice), one.open(alice), other.open(bob), other.open(eve)
	typing := func(c *client, conversation domain.ID, on bool) {
		c.t.Helper()
		c.write(map[string]any{"type": "typing", "conversation_id": conversation.String(), "on": on, "id": "t"})
	}
	one.known(alice)
	other.known(bob)
	other.known(eve)

	t.Run("is told to the others, once in a while", func(t *testing.T) {
		typing(a, group, true)
		typing(a, group, true) // known
		typing(a, group, false)
		typing(a, group, false) // known
		f := b.until("typing")
		require.Equal(t, group.String(), f.ConversationID)
		require.Equal(t, alice.String(), f.UserID)
		require.True(t, f.On)
		require.False(t, b.until("typing").On)
		require.True(t, e.until("typing").On)
		require.False(t, e.until("typing").On)
		require.NotContains(t, a2.untilPong(), "typing", "one's own devices are not told")
	})
	t.Run("ends with the stream", func(t *testing.T) {
		c := one.open(carol)
		one.known(carol)
		typing(c, group, true)
		require.True(t, b.until("typing").On)
		c.cut()
		f := b.until("typing")
		require.Equal(t, carol.String(), f.UserID)
		require.False(t, f.On)
		require.True(t, e.until("typing").On)
		require.False(t, e.until("typing").On)
	})
	t.Run("is never told to who is blocked, nor to who blocks", func(t *testing.T) {
		one.block(alice, eve, true)
		other.block(bob, alice, true)
		require.Eventually(t, func() bool {
			blocked, _ := one.hub.presence.Local.BlockedBy(alice)
			return len(blocked) == 1 && other.hub.presence.Local.IsHidden(alice, bob)
		}, 10*time.Second, time.Millisecond)
		typing(a, group, true)
		typing(b, group, true)
		require.Equal(t, bob.String(), e.until("typing").UserID, "and not alice's before it")
		one.block(alice, eve, false)
		require.Eventually(t, func() bool {
			blocked, known := one.hub.presence.Local.BlockedBy(alice)
			return known && len(blocked) == 0
		}, 10*time.Second, time.Millisecond)
		typing(a, group, false)
		require.Equal(t, alice.String(), e.until("typing").UserID)
		require.NotContains(t, b.untilPong(), "typing")
	})
	t.Run("is refused outside, and to readers", func(t *testing.T) {
		typing(a, newID(), true)
		f := a.until("error")
		require.Equal(t, "conversation_not_found", f.Code)
		require.Equal(t, "t", f.Re)
		changed := execute(one, group, alice, func(c *domain.Conversation) ([]domain.Event, error) {
			return c.ChangeRole(domain.ChangeRole{Actor: alice, UserID: eve, Role: domain.RoleReader})
		})
		other.reach(changed.Events[0])
		typing(e, group, true)
		require.Equal(t, "forbidden", e.until("error").Code)
		again := other.open(eve)
		typing(again, group, true)
		require.Equal(t, "forbidden", again.until("error").Code)
	})
}

// known waits until the node has a user's block list.
func (n *node) known(user domain.ID) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		_, ok := n.hub.presence.Local.BlockedBy(user)
		return ok
	}, 10*time.Second, time.Millisecond)
}

// untilPong asks for a pong and returns the types of all that came before it.
func (c *client) untilPong() (types []string) {
	c.t.Helper()
	c.write(map[string]any{"type": "ping"})
	return c.typesUntil("pong")
}

// typesUntil returns the types of all frames before the next of one type.
func (c *client) typesUntil(last string) (types []string) {
	c.t.Helper()
	for f := c.next(); f.Type != last; f = c.next() {
		types = append(types, f.Type)
	}
	return types
}

func TestPresenceFrames(t *testing.T) {
	w := newWorld(t)
	one, other := w.start(quickly), w.start(quickly)
	alice, bob, eve := newID(), newID(), newID()
	one.group(alice, bob)
	one.group(alice, bob) // sharing two does not tell twice
	one.group(eve, newID())
	one.loadInbox()
	b, stranger := other.open(bob), other.open(eve)
	other.known(bob)
	other.known(eve)
	// until reads up to how somebody is seen.
	until := func(c *client, user domain.ID, state string) frame {
		t.Helper()
		for {
			if f := c.until("presence"); f.UserID == user.String() {
				require.Equal(t, state, f.State)
				return f
			}
		}
	}
	var phone, laptop *client

	t.Run("tells those who share a conversation, over devices and nodes", func(t *testing.T) {
		phone = one.open(alice)
		require.Nil(t, until(b, alice, "online").LastSeen)
		laptop = other.open(alice)
		phone.write(map[string]any{"type": "presence", "state": "away"})
		laptop.write(map[string]any{"type": "presence", "state": "away"})
		until(b, alice, "away")
		laptop.write(map[string]any{"type": "presence", "state": "online"})
		until(b, alice, "online")
	})
	t.Run("goes on as the other devices are", func(t *testing.T) {
		laptop.cut()
		until(b, alice, "away")
		phone.cut()
		f := until(b, alice, "offline")
		require.WithinDuration(t, time.Now(), *f.LastSeen, 20*time.Second)
	})
	t.Run("is not told of who comes back at once", func(t *testing.T) {
		phone = one.open(alice)
		until(b, alice, "online")
		phone.cut()
		phone = other.open(alice)
		phone.write(map[string]any{"type": "presence", "state": "away"})
		until(b, alice, "away")
	})
	t.Run("is not told to who shares no conversation", func(t *testing.T) {
		stranger.write(map[string]any{"type": "ping"})
		for f := stranger.next(); f.Type != "pong"; f = stranger.next() {
			require.False(t, f.Type == "presence" && f.UserID != eve.String(), f)
		}
	})
	t.Run("is offline within one life when the node is killed", func(t *testing.T) {
		other.stop() // it says nothing more
		b = one.open(bob)
		one.known(bob)
		f := until(b, alice, "offline")
		require.NotNil(t, f.LastSeen)
	})
	t.Run("is never told across a block", func(t *testing.T) {
		one.block(bob, alice, true)
		require.Eventually(t, func() bool { return one.hub.presence.Local.IsHidden(alice, bob) }, 10*time.Second, time.Millisecond)
		carol := newID()
		one.group(carol, bob)
		one.loadInbox()
		phone = one.open(alice)
		require.Eventually(t, func() bool { return one.presence(alice).State == ephemeral.Online }, 10*time.Second, 5*time.Millisecond)
		phone.write(map[string]any{"type": "presence", "state": "away"})
		require.Eventually(t, func() bool { return one.presence(alice).State == ephemeral.Away }, 10*time.Second, 5*time.Millisecond)
		one.open(carol)
		for {
			if f := b.until("presence"); f.UserID == carol.String() {
				break
			} else {
				require.NotEqual(t, alice.String(), f.UserID)
			}
		}
	})
	t.Run("is refused when it is no state", func(t *testing.T) {
		phone.write(map[string]any{"type": "presence", "state": "busy"})
		require.Equal(t, "presence_invalid", phone.until("error").Code)
	})
}

func (n *node) presence(user domain.ID) ephemeral.Presence {
	n.t.Helper()
	seen, err := n.store.Presence(n.t.Context(), []domain.ID{user})
	require.NoError(n.t, err)
	return seen[0]
}
