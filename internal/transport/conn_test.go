package transport

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	tooSlow = Close{Code: 4001, Reason: "too slow"}
	expired = Close{Code: 4002, Reason: "expired"}
)

// server makes a server, with defaults for what cfg leaves out.
func server(cfg Config) *Server {
	cfg.MaxPending = cmp.Or(cfg.MaxPending, 1<<20)
	cfg.CloseGrace = cmp.Or(cfg.CloseGrace, 5*time.Second)
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, 25*time.Second)
	cfg.TooSlow, cfg.Ended = tooSlow, func(int) {}
	cfg.EphemeralGap = func() []byte { return nil }
	cfg.Logger = slog.New(slog.DiscardHandler)
	return NewServer(cfg)
}

// pipe returns a Conn and the other end of its TCP connection.
func pipe(t testing.TB, cfg Config) (*Conn, net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	peer, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	accepted, err := listener.Accept()
	require.NoError(t, err)
	s := server(cfg)
	c := s.NewConn(accepted, nil)
	c.Uncork()
	t.Cleanup(func() {
		_ = c.Close()
		_ = peer.Close()
		s.Wait()
	})
	return c, peer
}

func TestConn(t *testing.T) {
	t.Run("buffers live messages and flushes them in order", func(t *testing.T) {
		c, peer := pipe(t, Config{})
		generation := c.StartBuffering()
		c.SendLive(generation, []byte("live "))
		c.SendLive(generation-1, []byte("of an earlier subscription "))
		c.Send([]byte("replayed "))
		require.True(t, c.FlushBuffer([]byte("end ")))
		c.SendLive(generation, []byte("now"))
		require.NoError(t, c.Close())
		got, err := io.ReadAll(peer)
		require.NoError(t, err)
		require.Equal(t, "replayed end live now", string(got))
	})

	t.Run("reports that the buffer overflowed", func(t *testing.T) {
		c, _ := pipe(t, Config{MaxPending: 100})
		generation := c.StartBuffering()
		c.SendLive(generation, make([]byte, 51))
		c.SendLive(generation, make([]byte, 1))
		require.False(t, c.FlushBuffer(nil))
		c.StartBuffering()
		require.True(t, c.FlushBuffer(nil))
	})

	t.Run("keeps the order when the peer is slow", func(t *testing.T) {
		c, peer := pipe(t, Config{MaxPending: 64 << 20})
		require.True(t, c.FlushBuffer(nil))
		var sent bytes.Buffer
		for i := range 40_000 {
			chunk := bytes.Repeat([]byte{byte(i % 100)}, 300)
			sent.Write(chunk)
			switch i % 3 {
			case 0:
				c.Send(chunk)
			case 1:
				c.SendLive(c.live.generation, chunk)
			default: // gorilla's way in
				_, err := c.Write(chunk)
				require.NoError(t, err)
			}
		}
		got := make([]byte, sent.Len())
		_, err := io.ReadFull(peer, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(sent.Bytes(), got))
		require.NoError(t, c.WaitBelowLowWater(context.Background()))
		// The queue is empty again: what follows is written at once.
		c.Send([]byte("after"))
		_, err = io.ReadFull(peer, got[:5])
		require.NoError(t, err)
	})

	t.Run("sends nothing after the close message", func(t *testing.T) {
		c, peer := pipe(t, Config{CloseGrace: 50 * time.Millisecond})
		c.CloseWith(expired)
		c.Send([]byte("more"))
		c.CloseWith(tooSlow)
		_, err := c.Write([]byte("more"))
		require.NoError(t, err)
		require.NoError(t, peer.SetReadDeadline(time.Now().Add(10*time.Second)))
		got, err := io.ReadAll(peer) // ends by the cut after the grace
		if err != nil {
			require.ErrorContains(t, err, "reset")
		}
		require.Equal(t, expired.message(), got)
	})

	t.Run("closes a peer that reads nothing", func(t *testing.T) {
		c, peer := pipe(t, Config{MaxPending: 100 << 10, CloseGrace: 50 * time.Millisecond})
		require.True(t, c.FlushBuffer(nil))
		chunk := make([]byte, 10<<10)
		for !c.isClosing() {
			c.Send(chunk)
		}
		require.NoError(t, c.WaitBelowLowWater(context.Background()), "nobody waits for a connection that ends")
		require.NoError(t, peer.SetReadDeadline(time.Now().Add(10*time.Second)))
		for !c.isClosed() {
			// The grace passes without any reading.
			select {
			case <-time.After(time.Millisecond):
			case <-t.Context().Done():
			}
		}
	})

	t.Run("drops nothing before it closes a slow peer", func(t *testing.T) {
		c, peer := pipe(t, Config{MaxPending: 64 << 10})
		generation := c.StartBuffering()
		require.True(t, c.FlushBuffer(nil))
		var accepted, last []byte
		for i := 0; !c.isClosing(); i++ {
			accepted = append(accepted, last...)
			last = AppendText(nil, fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 1000)))
			c.SendLive(generation, last)
		}
		c.SendLive(generation, last) // too late: the close message is the last
		expected := append(accepted, tooSlow.message()...)
		got := make([]byte, len(expected))
		_, err := io.ReadFull(peer, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(expected, got))
		require.NoError(t, c.Close())
		rest, err := io.ReadAll(peer)
		require.NoError(t, err)
		require.Empty(t, rest)
	})

	t.Run("lets a peer that reads slowly reach the close message", func(t *testing.T) {
		const grace = 300 * time.Millisecond
		c, peer := pipe(t, Config{MaxPending: 8 << 20, CloseGrace: grace})
		require.True(t, c.FlushBuffer(nil))
		sent := 8 << 20
		c.Send(make([]byte, sent))
		c.CloseWith(tooSlow)
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

	t.Run("works without a descriptor", func(t *testing.T) {
		one, other := net.Pipe()
		s := server(Config{})
		c := s.NewConn(one, nil)
		c.Uncork()
		c.Send([]byte("hello"))
		got := make([]byte, 5)
		_, err := io.ReadFull(other, got)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		require.NoError(t, c.Close())
		s.Wait()
	})
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

func (c *Conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
