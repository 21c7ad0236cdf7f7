package realtime

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
)

// BenchmarkFanOut hands events to real loopback connections whose other ends
// are read by as few goroutines as possible. `floor` writes each frame to each
// connection by net.Conn.Write, one after another. Deliveries count when read.
//
// One operation is one event. run is how many events one run of the log holds.
func BenchmarkFanOut(b *testing.B) {
	for _, shape := range []struct{ rooms, members, run int }{
		{50, 10, 1}, {50, 10, 8}, {50, 10, 64}, {1, 500, 1}, {1, 500, 8}, {1, 1000, 16},
	} {
		name := fmt.Sprintf("rooms=%d/members=%d/run=%d", shape.rooms, shape.members, shape.run)
		b.Run(name+"/floor", func(b *testing.B) {
			benchmarkFanOut(b, shape.rooms, shape.members, shape.run, func(sockets [][]*socket, events []*eventlog.Event, rooms map[domain.ID]int) {
				var message []byte
				for _, e := range events {
					message = appendMessage(message[:0], e.Frame)
					for _, s := range sockets[rooms[e.Stream]] {
						if _, err := s.conn.Conn.Write(message); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		})
		b.Run(name+"/hub", func(b *testing.B) {
			var p *partition
			benchmarkFanOut(b, shape.rooms, shape.members, shape.run, func(sockets [][]*socket, events []*eventlog.Event, rooms map[domain.ID]int) {
				if p == nil || p.rooms[events[0].Stream] == nil || p.rooms[events[0].Stream].members[0].socket != sockets[rooms[events[0].Stream]][0] {
					p = newPartition(0, 0, &users{sockets: map[domain.ID][]*socket{}}, slog.New(slog.DiscardHandler))
					for id, room := range rooms {
						for _, s := range sockets[room] {
							s.desks[0].attached = true
							p.join(s, id)
						}
					}
				}
				p.take(events)
			})
		})
	}
}

func benchmarkFanOut(b *testing.B, rooms, members, run int, take func([][]*socket, []*eventlog.Event, map[domain.ID]int)) {
	frame := make([]byte, 350)
	size := int64(len(appendMessage(nil, frame)))
	var received atomic.Int64
	sockets := make([][]*socket, rooms)
	index := map[domain.ID]int{}
	var readers, drains sync.WaitGroup
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer listener.Close()
	var peers []net.Conn
	for room := range rooms {
		index[domain.ID{byte(room)}] = room
		for range members {
			peer, err := net.Dial("tcp", listener.Addr().String())
			require.NoError(b, err)
			accepted, err := listener.Accept()
			require.NoError(b, err)
			s := &socket{desks: make([]desk, 1)}
			s.conn = newConn(accepted, Config{MaxPending: 1 << 30}.withDefaults(), &drains)
			s.conn.uncork()
			s.conn.release(nil)
			sockets[room] = append(sockets[room], s)
			peers = append(peers, peer)
			readers.Go(func() {
				buffer := make([]byte, 64<<10)
				for {
					n, err := peer.Read(buffer)
					received.Add(int64(n))
					if err == io.EOF || err != nil {
						return
					}
				}
			})
		}
	}
	events := make([]*eventlog.Event, run)
	var position int64
	before := cpu()
	b.ResetTimer()
	for b.Loop() {
		// One operation hands on a whole run.
		for i := range events {
			events[i] = &eventlog.Event{Type: "message.sent", Stream: domain.ID{byte(position % int64(rooms))}, Position: position + 1, Frame: frame}
			position++
		}
		take(sockets, events, index)
	}
	want := position * int64(members) * size
	for received.Load() < want {
		time.Sleep(50 * time.Microsecond) // the kernel has the rest
	}
	b.StopTimer()
	deliveries := float64(position) * float64(members)
	b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric((cpu()-before).Seconds()/deliveries*1e6, "cpu-s/M")
	b.ReportMetric(0, "ns/op")
	for _, of := range sockets {
		for _, s := range of {
			_ = s.conn.Close()
		}
	}
	for _, peer := range peers {
		_ = peer.Close()
	}
	readers.Wait()
	drains.Wait()
}

// cpu is the processor time of this process so far, readers included.
func cpu() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // fails for a bad argument only
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
