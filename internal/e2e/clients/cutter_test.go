package clients

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cutter is a TCP proxy in front of nodes that cuts its connections: each after
// some bytes, in either direction, or after some time, and so in the middle of
// requests, responses, upgrades and frames.
type cutter struct {
	url   string
	nodes []string
	calm  atomic.Bool // cuts nothing any more
	away  atomic.Bool // lets nobody through
	cuts  atomic.Int64

	mu     sync.Mutex
	random *rand.Rand
	open   map[*link]bool
}

// link is a connection through the proxy.
type link struct{ client, node net.Conn }

// startCutter starts a proxy that chooses one of the nodes for each connection.
func startCutter(t *testing.T, random *rand.Rand, bases ...string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cutter{url: "http://" + listener.Addr().String(), random: random, open: map[*link]bool{}}
	for _, base := range bases {
		c.nodes = append(c.nodes, base[len("http://"):])
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.carry(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // ends Accept
		c.cutAll()
		running.Wait()
	})
	return c
}

// carry carries a connection until either end closes it or it is cut.
func (c *cutter) carry(client net.Conn) {
	c.mu.Lock()
	address := c.nodes[c.random.IntN(len(c.nodes))]
	up, down, life, reset := c.bytes(), c.bytes(), time.Duration(c.random.IntN(3000))*time.Millisecond, c.random.IntN(2) == 0
	c.mu.Unlock()
	node, err := net.Dial("tcp", address)
	if err != nil || c.away.Load() {
		_ = client.Close()
		if err == nil {
			_ = node.Close()
		}
		return
	}
	l := &link{client, node}
	c.mu.Lock()
	c.open[l] = true
	c.mu.Unlock()
	if c.away.Load() { // since it was looked at
		l.close(true)
	}
	cut := func() {
		if !c.calm.Load() {
			c.cuts.Add(1)
			l.close(reset)
		}
	}
	timer := time.AfterFunc(life, cut)
	var running sync.WaitGroup
	running.Go(func() { l.pass(node, client, up, cut) })
	running.Go(func() { l.pass(client, node, down, cut) })
	running.Wait()
	timer.Stop()
	c.mu.Lock()
	delete(c.open, l)
	c.mu.Unlock()
}

// bytes draws after how many of them to cut: often within the first answer.
func (c *cutter) bytes() int {
	return c.random.IntN([]int{200, 1000, 5000, 50000}[c.random.IntN(4)])
}

// refuse lets nobody through any more, or everybody again.
func (c *cutter) refuse(away bool) {
	c.away.Store(away)
	c.cutAll()
}

// cutAll cuts all connections that there are.
func (c *cutter) cutAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range c.open {
		l.close(true)
	}
}

// pass copies bytes, and cuts when so many have come through.
func (l *link) pass(to, from net.Conn, budget int, cut func()) {
	defer l.close(false)
	if _, err := io.CopyN(to, from, int64(budget)); err == nil {
		cut()
	}
	_, _ = io.Copy(to, from) // ends at once where it was cut
}

// close closes both ends; with a reset, what is on its way is lost.
func (l *link) close(reset bool) {
	for _, end := range []net.Conn{l.client, l.node} {
		if tcp := end.(*net.TCPConn); reset {
			_ = tcp.SetLinger(0) // it may be closed already
		}
		_ = end.Close() // it may be closed already
	}
}
