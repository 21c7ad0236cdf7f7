package realtime

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pipe returns a conn and the other end of its TCP connection.
func pipe(t testing.TB, cfg Config) (*conn, net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	peer, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	accepted, err := listener.Accept()
	require.NoError(t, err)
	var drains sync.WaitGroup
	c := newConn(accepted, cfg.withDefaults(), &drains, newMetrics(nil))
	c.uncork()
	t.Cleanup(func() {
		_ = c.Close()
		_ = peer.Close()
		drains.Wait()
	})
	return c, peer
}

func TestConn(t *testing.T) {
	t.Run("holds_back_and_releases_in_order", func(t *testing.T) {
		c, peer := pipe(t, Config{})
		generation := c.hold()
		c.deliver(generation, []byte("live "))
		c.deliver(generation-1, []byte("of an earlier subscription "))
		c.send([]byte("replayed "))
		require.True(t, c.release([]byte("end ")))
		c.deliver(generation, []byte("now"))
		require.NoError(t, c.Close())
		got, err := io.ReadAll(peer)
		require.NoError(t, err)
		require.Equal(t, "replayed end live now", string(got))
	})

	t.Run("tells_that_too_much_was_held_back", func(t *testing.T) {
		c, _ := pipe(t, Config{MaxPending: 100})
		generation := c.hold()
		c.deliver(generation, make([]byte, 51))
		c.deliver(generation, make([]byte, 1))
		require.False(t, c.release(nil))
		c.hold()
		require.True(t, c.release(nil))
	})

	t.Run("keeps_order_when_the_peer_is_slow", func(t *testing.T) {
		c, peer := pipe(t, Config{MaxPending: 64 << 20})
		require.True(t, c.release(nil))
		var sent bytes.Buffer
		for i := range 40_000 {
			chunk := bytes.Repeat([]byte{byte(i % 100)}, 300)
			sent.Write(chunk)
			switch i % 3 {
			case 0:
				c.send(chunk)
			case 1:
				c.deliver(c.generation, chunk)
			default: // gorilla's way in
				_, err := c.Write(chunk)
				require.NoError(t, err)
			}
		}
		got := make([]byte, sent.Len())
		_, err := io.ReadFull(peer, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(sent.Bytes(), got))
		require.NoError(t, c.relief(context.Background()))
		// The queue is empty again: what follows is written at once.
		c.send([]byte("after"))
		_, err = io.ReadFull(peer, got[:5])
		require.NoError(t, err)
	})

	t.Run("sends_nothing_after_the_close_message", func(t *testing.T) {
		c, peer := pipe(t, Config{CloseGrace: 50 * time.Millisecond})
		c.close(CloseExpired)
		c.send([]byte("more"))
		c.close(CloseSlow)
		_, err := c.Write([]byte("more"))
		require.NoError(t, err)
		require.NoError(t, peer.SetReadDeadline(time.Now().Add(10*time.Second)))
		got, err := io.ReadAll(peer) // ends by the cut after the grace
		if err != nil {
			require.ErrorContains(t, err, "reset")
		}
		require.Equal(t, closeMessage(CloseExpired), got)
	})

	t.Run("closes_a_peer_that_reads_nothing", func(t *testing.T) {
		c, peer := pipe(t, Config{MaxPending: 100 << 10, CloseGrace: 50 * time.Millisecond})
		require.True(t, c.release(nil))
		chunk := make([]byte, 10<<10)
		for !c.isClosing() {
			c.send(chunk)
		}
		require.NoError(t, c.relief(context.Background()), "nobody waits for a connection that ends")
		require.NoError(t, peer.SetReadDeadline(time.Now().Add(10*time.Second)))
		for !c.isClosed() {
			// The grace passes without any reading.
			select {
			case <-time.After(time.Millisecond):
			case <-t.Context().Done():
			}
		}
	})

	t.Run("drops_nothing_before_it_closes_a_slow_peer", func(t *testing.T) {
		c, peer := pipe(t, Config{MaxPending: 64 << 10})
		generation := c.hold()
		require.True(t, c.release(nil))
		var accepted, last []byte
		for i := 0; !c.isClosing(); i++ {
			accepted = append(accepted, last...)
			last = appendMessage(nil, fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 1000)))
			c.deliver(generation, last)
		}
		c.deliver(generation, last) // too late: the close message is the last
		expected := append(accepted, closeMessage(CloseSlow)...)
		got := make([]byte, len(expected))
		_, err := io.ReadFull(peer, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(expected, got))
		require.NoError(t, c.Close())
		rest, err := io.ReadAll(peer)
		require.NoError(t, err)
		require.Empty(t, rest)
	})

	t.Run("lets_a_peer_that_reads_slowly_come_to_the_close_message", func(t *testing.T) {
		const grace = 300 * time.Millisecond
		c, peer := pipe(t, Config{MaxPending: 8 << 20, CloseGrace: grace})
		require.True(t, c.release(nil))
		sent := 8 << 20
		c.send(make([]byte, sent))
		c.close(CloseSlow)
		began := time.Now()
		tick := time.NewTicker(grace / 6)
		defer tick.Stop()
		read, some := 0, make([]byte, sent/12)
		for read < sent {
			<-tick.C
			n, err := io.ReadFull(peer, some)
			read += n
			if read < sent {
				require.NoError(t, err, "after %d bytes", read)
			}
		}
		require.Greater(t, time.Since(began), grace)
	})

	t.Run("works_without_a_descriptor", func(t *testing.T) {
		one, other := net.Pipe()
		var drains sync.WaitGroup
		c := newConn(one, Config{}.withDefaults(), &drains, newMetrics(nil))
		c.uncork()
		c.send([]byte("hello"))
		got := make([]byte, 5)
		_, err := io.ReadFull(other, got)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		require.NoError(t, c.Close())
		drains.Wait()
	})
}

func (c *conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

func (c *conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
