package realtime

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/realtime/protocol"
)

// BenchmarkSpine sends through the log and counts what arrives on sockets: the
// whole durable path but HTTP, with readers that do as little as a client can.
// One operation is one message; senders wait for its commit, and for its
// arrival when the shape says so.
func BenchmarkSpine(b *testing.B) {
	for _, shape := range []struct {
		rooms, members, senders int
		arrival                 bool
		every                   time.Duration
	}{
		{50, 10, 64, false, 0}, {1, 500, 8, false, 0}, {1, 500, 8, true, 0},
		{50, 10, 1, false, 5 * time.Millisecond},
	} {
		b.Run(fmt.Sprintf("rooms=%d/members=%d/senders=%d/arrival=%v/every=%v", shape.rooms, shape.members, shape.senders, shape.arrival, shape.every), func(b *testing.B) {
			benchmarkSpine(b, shape.rooms, shape.members, shape.senders, shape.arrival, shape.every)
		})
	}
}

func benchmarkSpine(b *testing.B, rooms, members, senders int, arrival bool, every time.Duration) {
	w := newWorld(b)
	n := w.start(Config{Heartbeat: time.Hour}) // the readers answer no pings
	groups := make([]domain.ID, rooms)
	owners := make([]domain.ID, rooms)
	var received atomic.Int64
	var readers sync.WaitGroup
	var conns []net.Conn
	var latencies latencies
	for i := range groups {
		users := make([]domain.ID, members)
		for j := range users {
			users[j] = newID()
		}
		groups[i], owners[i] = n.group(users...), users[0]
		for _, user := range users {
			conn, reader := n.dialRaw(user)
			conns = append(conns, conn)
			readers.Go(func() { latencies.read(reader, &received) })
		}
	}
	body := strings.Repeat("x", 60)
	send := func(i int) *eventlog.Event {
		r, err := eventlog.Execute(context.Background(), n.log, eventlog.Conversations,
			eventlog.Command{Stream: groups[i%rooms], Actor: owners[i%rooms]},
			func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
				return c.SendMessage(domain.SendMessage{Actor: owners[i%rooms], MessageID: newID(), Body: fmt.Sprintf("%d %s", time.Now().UnixNano(), body)})
			})
		require.NoError(b, err)
		return r.Events[0]
	}
	var next atomic.Int64
	var sent sync.WaitGroup
	before, began := cpu(), time.Now()
	b.ResetTimer()
	for range senders {
		sent.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				send(int(i))
				if arrival {
					for received.Load() < (i-int64(senders))*int64(members) {
						time.Sleep(20 * time.Microsecond)
					}
				}
				if every > 0 {
					time.Sleep(time.Until(began.Add(time.Duration(i) * every)))
				}
			}
		})
	}
	sent.Wait()
	accepted := time.Since(began)
	for received.Load() < int64(b.N*members) {
		time.Sleep(50 * time.Microsecond)
	}
	b.StopTimer()
	deliveries := float64(b.N * members)
	b.ReportMetric(float64(b.N)/accepted.Seconds(), "sent/s")
	b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric((cpu()-before).Seconds()/deliveries*1e6, "cpu-s/M")
	latencies.report(b)
	b.ReportMetric(0, "ns/op")
	for _, c := range conns {
		_ = c.Close()
	}
	readers.Wait()
	n.stop()
}

// dialRaw opens a stream and reads up to ready.
func (n *node) dialRaw(user domain.ID) (net.Conn, *bufio.Reader) {
	address := strings.TrimSuffix(strings.TrimPrefix(n.url, "http://"), "/v1/stream")
	conn, err := net.Dial("tcp", address)
	require.NoError(n.t, err)
	_, err = io.WriteString(conn, "GET /v1/stream?resume=0 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: "+protocol.Subprotocol+"\r\n"+
		"Authorization: Bearer "+n.token(user)+"\r\n\r\n")
	require.NoError(n.t, err)
	reader := bufio.NewReaderSize(conn, 16<<10)
	for {
		line, err := reader.ReadString('\n')
		require.NoError(n.t, err)
		if line == "\r\n" {
			break
		}
	}
	for range 2 {
		_, err := readMessage(reader)
		require.NoError(n.t, err)
	}
	return conn, reader
}

// readMessage returns the payload of the next message; it is good until the
// next read.
func readMessage(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	length, skip := int(head[1]), 2
	if length == 126 {
		length, skip = int(head[2])<<8|int(head[3]), 4
	}
	payload, err := r.Peek(skip + length)
	if err != nil {
		return nil, err
	}
	_, err = r.Discard(skip + length)
	return payload[skip:], err
}

// latencies are the times from send to arrival of some of the frames.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) read(r *bufio.Reader, received *atomic.Int64) {
	for i := 0; ; i++ {
		payload, err := readMessage(r)
		if err != nil {
			return
		}
		if !bytes.Contains(payload, []byte(`"event":"message.sent"`)) {
			continue // a ping, who is there, or how its room began
		}
		if i%8 == 0 {
			_, body, _ := strings.Cut(string(payload), `"body":"`)
			var at int64
			if _, err := fmt.Sscan(body[:19], &at); err == nil {
				l.mu.Lock()
				l.all = append(l.all, time.Duration(time.Now().UnixNano()-at))
				l.mu.Unlock()
			}
		}
		received.Add(1)
	}
}

func (l *latencies) report(b *testing.B) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) > 0 {
		slices.Sort(l.all)
		b.ReportMetric(float64(l.all[len(l.all)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(l.all[len(l.all)*99/100].Microseconds())/1000, "p99-ms")
	}
}
