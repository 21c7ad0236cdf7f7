package realtime

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/domain"
	"ping/internal/eventlog"
)

// TestStartRace acts in the middle of a stream's start, at each step at which
// an event could fall between what is replayed and what is live.
func TestStartRace(t *testing.T) {
	for _, at := range []step{stepSnapshot, stepSubscribed, stepReplayed} {
		for i, readModel := range []bool{false, true, false, true} {
			remembers := i / 2 // 0: as usual; 1: so little that what was missed is read from the log
			t.Run(fmt.Sprintf("step_%d_read_model_%v_remembers_%d", at, readModel, remembers), func(t *testing.T) {
				w := newWorld(t)
				n := w.startOn(eventlog.Config{Recent: remembers}, Config{})
				alice, bob := newID(), newID()
				stays, leaves, joins := n.group(alice, bob), n.group(alice, bob), n.group(alice)
				c := n.open(bob)
				c.cut()
				for _, group := range []domain.ID{stays, leaves, joins} {
					n.send(group, alice, "while away")
				}
				if readModel {
					n.loadInbox()
				}
				var once sync.Once
				act := func(reached step) {
					if reached == at {
						once.Do(func() {
							n.send(stays, alice, "in the middle")
							n.send(leaves, alice, "in the middle")
							n.remove(leaves, alice, bob)
							n.send(leaves, alice, "not seen")
							n.send(joins, alice, "not seen")
							n.add(joins, alice, bob)
							n.send(joins, alice, "in the middle")
						})
					}
				}
				n.hub.reached.Store(&act)
				c.resume(n)
				n.send(leaves, alice, "not seen")
				n.send(joins, alice, "live")
				n.send(stays, alice, "live")
				back := n.add(leaves, alice, bob).Version
				expected := map[string][]int64{
					stays.String(): seqs(4, 6), leaves.String(): append(seqs(4, 6), back), joins.String(): seqs(5, 7),
				}
				for !complete(c.seen, expected) { // partitions do not wait for one another
					c.next()
				}
				require.Equal(t, expected, c.seen)
			})
		}
	}
}

// TestStartUnderLoad lets more happen during a replay than is held back: the
// replay goes on in another round.
func TestStartUnderLoad(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{MaxPending: 8 << 10})
	alice, bob := newID(), newID()
	group, other := n.group(alice, bob), n.group(alice, bob)
	c := n.open(bob)
	c.cut()
	n.reach(n.send(group, alice, "while away"))
	var rounds atomic.Int32
	act := func(reached step) {
		if reached != stepSubscribed {
			return
		}
		if rounds.Add(1) == 1 {
			for range 30 {
				n.send(group, alice, strings.Repeat("x", 300))
			}
			n.remove(group, alice, bob)
			n.send(group, alice, "not seen")
		}
	}
	n.hub.reached.Store(&act)
	require.Equal(t, 32, c.resume(n).Replayed)
	require.EqualValues(t, 2, rounds.Load())
	c.untilEvent(n.send(other, alice, "live"))
	require.Equal(t, seqs(4, 35), c.seen[group.String()])
}

// TestCutAnywhere is the promise of the protocol: whatever happens, however
// often and wherever the connection is cut, after it heals the client has seen
// exactly what the log holds for it, in order.
func TestCutAnywhere(t *testing.T) {
	w := newWorld(t)
	// One replays from memory, the other, which remembers little, from the log.
	nodes := []*node{w.start(Config{}), w.startOn(eventlog.Config{Recent: 4}, Config{})}
	rapid.Check(t, func(r *rapid.T) {
		alice, bob := newID(), newID()
		expected := map[string][]int64{}
		member := map[domain.ID]bool{}
		var groups []domain.ID
		note := func(group domain.ID, seq int64) { expected[group.String()] = append(expected[group.String()], seq) }
		for range 3 {
			group := nodes[0].group(alice, bob)
			groups, member[group] = append(groups, group), true
			nodes[0].reach(nodes[0].send(group, alice, "before the stream begins"))
		}
		c := newClient(t, bob)
		c.connect(nodes[0], "?resume=0")
		for c.next().Type != "ready" {
		}
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			group := rapid.SampledFrom(groups).Draw(r, "group")
			n := rapid.SampledFrom(nodes).Draw(r, "node")
			switch rapid.SampledFrom([]string{"send", "send", "send", "burst", "turn", "cut", "cut amid"}).Draw(r, "act") {
			case "send":
				e := n.send(group, alice, "x")
				if member[group] {
					note(group, e.Version)
				}
			case "burst":
				for range 20 {
					e := n.send(rapid.SampledFrom(groups).Draw(r, "burst"), alice, "x")
					if member[e.Stream] {
						note(e.Stream, e.Version)
					}
				}
			case "turn":
				if member[group] {
					note(group, n.remove(group, alice, bob).Version)
				} else {
					note(group, n.add(group, alice, bob).Version)
				}
				member[group] = !member[group]
			case "cut":
				c.cut()
				c.connect(n, "?resume=1")
				c.sendResume()
			case "cut amid":
				// Some frames are read, the others are lost on the way.
				last := nodes[0].group(alice, bob)
				groups, member[last] = append(groups, last), true
				note(last, 3)
				for range rapid.IntRange(1, 20).Draw(r, "frames") {
					if f := c.next(); f.ConversationID == last.String() {
						break
					}
				}
				c.cut()
				c.connect(n, "?resume=1")
				c.sendResume()
			}
		}
		c.cut()
		c.resume(nodes[0])
		// What the other node appended last may still be on its way here, and
		// partitions do not wait for one another.
		for !complete(c.seen, expected) {
			c.next()
		}
		end := nodes[0].group(alice, bob)
		for c.next().ConversationID != end.String() {
		}
		delete(c.seen, end.String())
		require.Equal(t, expected, c.seen)
	})
}

// complete reports whether as much was seen as expected of each stream.
func complete(seen, expected map[string][]int64) bool {
	for stream, of := range expected {
		if len(seen[stream]) < len(of) {
			return false
		}
	}
	return true
}
