package realtime

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/realtime/protocol"
)

// TestTurns: of those who come while all turns are taken some wait, and the
// rest is told to come back.
func TestTurns(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{MaxStarting: 1, MaxWaiting: 2, BusySpread: time.Second})
	user := newID()
	group := n.group(user)
	began, goOn := make(chan struct{}), make(chan struct{})
	act := func(at step) {
		if at == stepSnapshot {
			n.hub.reached.Store(nil)
			close(began)
			<-goOn
		}
	}
	n.hub.reached.Store(&act)
	first := newClient(t, user)
	first.connect(n, "?resume=0")
	<-began

	var waiting []*client
	for range 2 {
		c := newClient(t, user)
		c.connect(n, "?resume=0")
		waiting = append(waiting, c)
	}
	require.Eventually(t, func() bool { return n.hub.admission.waiting.Load() == 2 }, 10*time.Second, time.Millisecond)
	late := newClient(t, user)
	late.connect(n, "?resume=0")
	f := late.until("reconnect")
	require.Equal(t, "busy", f.Reason)
	require.GreaterOrEqual(t, f.AfterMS, busyLeast.Milliseconds())
	require.Less(t, f.AfterMS, (busyLeast + time.Second).Milliseconds())
	require.Equal(t, protocol.CloseBusy, late.closed())

	n.send(group, user, "meanwhile")
	close(goOn)
	for _, c := range append(waiting, first) {
		c.until("ready")
	}
	require.Zero(t, n.hub.admission.waiting.Load())
	late.resume(n)
	sent := n.send(group, user, "afterwards")
	for _, c := range append(waiting, first, late) {
		c.untilEvent(sent)
	}
}

// TestStorm: hundreds that are cut and resume at once, again when they are told
// to, lose nothing that was sent meanwhile.
func TestStorm(t *testing.T) {
	w := newWorld(t)
	n := w.start(Config{MaxStarting: 2, MaxWaiting: 20, BusySpread: 50 * time.Millisecond})
	owner := newID()
	group := n.group(owner)
	clients := make([]*client, 200)
	for i := range clients {
		clients[i] = n.open(owner)
	}
	last := n.send(group, owner, "before")
	for _, c := range clients {
		c.untilEvent(last)
		c.cut()
	}
	for range 20 {
		n.send(group, owner, "meanwhile")
	}
	var resuming sync.WaitGroup
	for _, c := range clients {
		resuming.Go(func() {
			for !c.resumed(n) {
			}
		})
	}
	last = n.send(group, owner, "in the storm")
	resuming.Wait()
	for _, c := range clients {
		for len(c.seen[group.String()]) < int(last.Version)-2 {
			c.next()
		}
		require.Equal(t, seqs(3, last.Version), c.seen[group.String()])
	}
}

// resumed connects and resumes; it returns false when it was told to come back,
// after the time that it was told.
func (c *client) resumed(n *node) bool {
	c.t.Helper()
	c.connect(n, "?resume=1")
	c.sendResume()
	for {
		switch f := c.next(); f.Type {
		case "resumed":
			return true
		case "reconnect":
			require.Equal(c.t, protocol.CloseBusy, c.closed())
			<-time.After(time.Duration(f.AfterMS) * time.Millisecond)
			return false
		}
	}
}
