package realtime

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/realtime/protocol"
)

func TestStream(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{})
	alice, bob := newID(), newID()

	t.Run("greets_and_delivers", func(t *testing.T) {
		group := n.group(alice, bob)
		c := newClient(t, bob)
		c.connect(n, "")
		hello := c.next()
		require.Equal(t, "hello", hello.Type)
		require.Equal(t, bob.String(), hello.SessionID)
		require.Equal(t, n.log.Epoch(), hello.Epoch)
		ready := c.next()
		require.Equal(t, "ready", ready.Type)
		require.Equal(t, bob.String(), ready.UserID)
		require.Len(t, ready.positions(t), n.log.Partitions())
		require.Equal(t, group.String(), ready.Conversations[0].ID)
		require.EqualValues(t, 3, ready.Conversations[0].Seq)

		sent := n.send(group, alice, "hello, world")
		f := c.next()
		require.Equal(t, "message.sent", f.Event)
		require.Equal(t, sent.ID.String(), f.ID)
		require.EqualValues(t, 4, f.Seq)
		require.JSONEq(t, `{"body":"hello, world"}`, string(f.Data))
	})

	t.Run("resumes_what_was_missed", func(t *testing.T) {
		group := n.group(alice, bob)
		c := n.open(bob)
		c.untilEvent(n.send(group, alice, "one"))
		c.cut()
		for i := range 300 {
			n.reach(n.send(group, alice, fmt.Sprint(i)))
		}
		resumed := c.resume(n)
		require.Equal(t, 300, resumed.Replayed)
		c.untilEvent(n.send(group, alice, "live"))
		require.Equal(t, seqs(4, 305), c.seen[group.String()])
	})

	t.Run("resumes_from_the_very_beginning", func(t *testing.T) {
		carol := newID()
		group := n.group(alice, carol)
		n.send(group, alice, "one")
		c := newClient(t, carol)
		c.at["0"] = "0" // the other partitions are left out
		c.resume(n)
		require.Equal(t, seqs(3, 4), c.seen[group.String()])
	})

	t.Run("tells_a_gap_over_the_limit", func(t *testing.T) {
		small := w.start(Config{MaxReplay: 10})
		busy, quiet := small.group(alice, bob), small.group(alice, bob)
		c := small.open(bob)
		c.cut()
		for range 11 {
			small.reach(n.send(busy, alice, "x"))
		}
		small.reach(n.send(quiet, alice, "y"))
		c.connect(small, "?resume=1")
		c.sendResume()
		gap := c.until("gap")
		require.Equal(t, busy.String(), gap.ConversationID)
		require.EqualValues(t, 4, gap.FromSeq)
		require.EqualValues(t, 14, gap.ToSeq)
		require.Equal(t, 1, c.until("resumed").Replayed)
		c.untilEvent(n.send(busy, alice, "live"))
		require.Equal(t, []int64{15}, c.seen[busy.String()])
		require.Equal(t, []int64{4}, c.seen[quiet.String()])
	})

	t.Run("resumes_unannounced_and_refuses_it_late", func(t *testing.T) {
		group := n.group(alice, bob)
		c := n.open(bob)
		c.cut()
		n.reach(n.send(group, alice, "missed"))
		c.connect(n, "")
		c.sendResume()
		require.Equal(t, 1, c.until("resumed").Replayed)
		c.sendResume()
		require.Equal(t, protocol.CloseResumeLate, c.closed())
	})

	t.Run("starts_at_once_with_nothing_to_resume", func(t *testing.T) {
		slow := w.start(Config{ResumeWait: 1 << 40})
		c := newClient(t, bob)
		c.connect(slow, "")
		c.write(map[string]any{"type": "resume"})
		require.Equal(t, "hello", c.next().Type)
		require.Equal(t, "ready", c.next().Type)
		require.Equal(t, "resumed", c.next().Type)
	})

	t.Run("tells_all_as_gaps_when_positions_are_void", func(t *testing.T) {
		dave := newID()
		group := n.group(alice, dave)
		for name, frame := range map[string]map[string]any{
			"epoch_changed":    {"type": "resume", "epoch": 2, "at": []string{"0:1"}},
			"resume_invalid":   {"type": "resume", "at": []string{"0:1", "0:2"}},
			"position_unknown": {"type": "resume", "at": []string{"0:1000000"}},
		} {
			c := newClient(t, dave)
			c.connect(n, "?resume=1")
			c.write(frame)
			require.Equal(t, name, c.until("error").Code)
			ready := c.next()
			require.Equal(t, "ready", ready.Type)
			require.Regexp(t, `^\["0:0"(,"\d+:0")*\]$`, string(ready.At), "cut now, it resumes from the beginning")
			gap := c.next()
			require.Equal(t, "gap", gap.Type, name)
			require.Equal(t, group.String(), gap.ConversationID)
			require.EqualValues(t, 3, gap.FromSeq)
			require.EqualValues(t, 3, gap.ToSeq)
			require.Equal(t, "resumed", c.next().Type)
		}
	})
}

func TestMembership(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{})
	alice, bob := newID(), newID()

	t.Run("added_and_removed_live", func(t *testing.T) {
		group := n.group(alice)
		c := n.open(bob)
		n.send(group, alice, "before")
		n.add(group, alice, bob)
		n.send(group, alice, "during")
		n.remove(group, alice, bob)
		n.send(group, alice, "after")
		other := n.group(bob)
		c.untilEvent(n.send(other, bob, "end"))
		require.Equal(t, seqs(4, 6), c.seen[group.String()])
	})

	for name, prepare := range map[string]func(){
		"without_read_model":          func() {},
		"with_read_model_up_to_date":  n.loadInbox,
		"with_read_model_of_long_ago": func() {},
	} {
		t.Run("resumes_over_memberships_"+name, func(t *testing.T) {
			left, again, joined := n.group(alice, bob), n.group(alice, bob), n.group(alice)
			c := n.open(bob)
			c.cut()
			n.send(left, alice, "seen")
			n.remove(left, alice, bob)
			n.send(left, alice, "not seen")

			n.send(again, alice, "seen")
			n.remove(again, alice, bob)
			n.send(again, alice, "not seen")
			n.add(again, alice, bob)
			n.send(again, alice, "seen")

			n.send(joined, alice, "not seen")
			n.add(joined, alice, bob)
			n.send(joined, alice, "seen")

			prepare()
			c.connect(n, "?resume=1")
			c.sendResume()
			ready := c.until("ready")
			for _, conversation := range ready.Conversations {
				require.NotEqual(t, left.String(), conversation.ID)
			}
			c.until("resumed")
			require.Equal(t, []int64{4, 5}, c.seen[left.String()])
			require.Equal(t, []int64{4, 5, 7, 8}, c.seen[again.String()])
			require.Equal(t, []int64{4, 5}, c.seen[joined.String()])
		})
	}
}

func TestResumeElsewhere(t *testing.T) {
	w := newWorld(t)
	one, two := w.start(Config{}), w.start(Config{})
	alice, bob := newID(), newID()
	group := one.group(alice, bob)
	c := one.open(bob)
	c.untilEvent(one.send(group, alice, "on one"))
	c.cut()
	two.send(group, alice, "meanwhile")
	c.resume(two)
	c.untilEvent(one.send(group, alice, "from one, seen on two"))
	c.cut()
	one.stop()
	two.stop()

	// A restart: new processes on the same log.
	three := w.start(Config{})
	three.send(group, alice, "after the restart")
	c.resume(three)
	c.untilEvent(three.send(group, alice, "live"))
	require.Equal(t, seqs(4, 8), c.seen[group.String()])
}

func TestDrain(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{})
	var clients []*client
	for range 20 {
		clients = append(clients, n.open(newID()))
	}
	ctx, cancel := context.WithTimeout(context.Background(), n.hub.cfg.CloseGrace)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- n.hub.Drain(ctx) }()
	for _, c := range clients {
		f := c.next()
		require.Equal(t, "reconnect", f.Type)
		require.Equal(t, "restart", f.Reason)
		require.Equal(t, protocol.CloseRestart, c.closed())
	}
	require.NoError(t, <-drained)
	require.Zero(t, n.hub.Sockets())
}
