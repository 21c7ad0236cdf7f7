package realtime

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/transport"
	"ping/realtime/presence"
	"ping/realtime/protocol"
)

// BenchmarkFanOut hands events to real loopback connections, which another
// process reads. `floor` writes each frame to each connection by net.Conn.Write,
// one after another. Deliveries count when read; CPU is the writing side's.
//
// One operation is one run of the log; run is how many events one holds.
func BenchmarkFanOut(b *testing.B) {
	for _, shape := range []struct{ rooms, members, run int }{
		{1000, 10, 1}, {1000, 10, 16}, {50, 10, 1}, {50, 10, 8}, {50, 10, 64}, {1, 500, 1}, {1, 500, 8}, {1, 1000, 1}, {1, 1000, 16},
	} {
		name := fmt.Sprintf("rooms=%d/members=%d/run=%d", shape.rooms, shape.members, shape.run)
		b.Run(name+"/floor", func(b *testing.B) {
			h := newHall(b, shape.rooms, shape.members, 0, 1<<30)
			var message []byte
			benchmarkFanOut(b, h, shape.run, func(events []*eventlog.Event) {
				for _, e := range events {
					message = transport.AppendText(message[:0], e.Frame)
					for _, m := range h.partition.rooms[e.Stream].sockets {
						if _, err := m.socket.conn.Conn.Write(message); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		})
		b.Run(name+"/hub", func(b *testing.B) {
			h := newHall(b, shape.rooms, shape.members, 0, 1<<30)
			benchmarkFanOut(b, h, shape.run, func(events []*eventlog.Event) { h.partition.dispatch(events) })
		})
	}
}

func benchmarkFanOut(b *testing.B, h *hall, run int, take func([]*eventlog.Event)) {
	frame := make([]byte, 350)
	size := int64(len(transport.AppendText(nil, frame)))
	events := make([]*eventlog.Event, run)
	before := cpu()
	b.ResetTimer()
	for b.Loop() {
		for i := range events {
			events[i] = h.event(frame)
		}
		take(events)
	}
	deliveries := float64(h.position) * float64(h.members)
	h.crowd.do(order{Bytes: int64(deliveries) * size})
	b.StopTimer()
	b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric((cpu()-before).Seconds()/deliveries*1e6, "cpu-s/M")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDeadReader measures how long frames take to the others when one of a
// room's 1,000 sockets is never read from, and when none is: three times each,
// taking turns. The dead one's buffers fill up and it is closed on the way. One
// operation is an event, every 20 ms; use -benchtime 500x.
func BenchmarkDeadReader(b *testing.B) {
	var p50, p99 [2][]float64
	for range 3 {
		for dead := range 2 {
			h := newHall(b, 1, 1000+dead, dead, 64<<10)
			const size = 1500
			began := time.Now()
			for i := range b.N {
				h.partition.dispatch([]*eventlog.Event{h.event(stamp(size))})
				time.Sleep(time.Until(began.Add(time.Duration(i) * 20 * time.Millisecond)))
			}
			r := h.crowd.do(order{Bytes: int64(b.N) * 1000 * size})
			p50[dead] = append(p50[dead], float64(r.P50.Microseconds())/1000)
			p99[dead] = append(p99[dead], float64(r.P99.Microseconds())/1000)
			h.close()
		}
	}
	for dead, name := range []string{"none", "dead"} {
		slices.Sort(p50[dead])
		slices.Sort(p99[dead])
		b.ReportMetric(p50[dead][1], name+"-p50-ms")
		b.ReportMetric(p99[dead][1], name+"-p99-ms")
	}
	b.ReportMetric(p99[1][1]/p99[0][1], "p99-ratio")
	b.ReportMetric(0, "ns/op")
}

// hall is a partition with full rooms, whose sockets a crowd reads.
type hall struct {
	partition *partition
	crowd     *crowd
	rooms     []domain.ID
	members   int // of each room
	position  int64
	close     func()
}

func newHall(b *testing.B, rooms, members, silent, maxPending int) *hall {
	h := &hall{
		partition: newPartition(0, 0, newRegistry(), presence.NewLocalUsers(), slog.New(slog.DiscardHandler)),
		crowd:     newCrowd(b), rooms: make([]domain.ID, rooms), members: members,
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer listener.Close()
	accepted := make(chan net.Conn, rooms*members)
	go func() {
		for range rooms * members {
			if c, err := listener.Accept(); err == nil {
				accepted <- c
			}
		}
	}()
	h.crowd.do(order{
		Address: listener.Addr().String(), Requests: make([]string, rooms*members), AtOnce: 8,
		Silent: silent, Latency: maxPending < 1<<30,
	})
	sockets := transport.NewServer(transport.Config{
		MaxPending: maxPending, CloseGrace: 5 * time.Second, TooSlow: closing(protocol.CloseSlow), Ended: func(int) {},
	})
	var conns []*transport.Conn
	for i := range h.rooms {
		h.rooms[i] = domain.ID{1, byte(i), byte(i >> 8)}
		for range members {
			s := &socket{attachments: []attachment{{attached: true}}}
			s.conn = sockets.NewConn(<-accepted, nil)
			s.conn.Uncork()
			s.conn.FlushBuffer(nil)
			h.partition.join(s, h.rooms[i], false)
			conns = append(conns, s.conn)
		}
	}
	h.close = sync.OnceFunc(func() {
		for _, c := range conns {
			_ = c.Close()
		}
		sockets.Wait()
	})
	b.Cleanup(h.close)
	return h
}

// event makes the next one, in the rooms' turn.
func (h *hall) event(frame []byte) *eventlog.Event {
	h.position++
	return &eventlog.Event{
		Type: "message.sent", Stream: h.rooms[h.position%int64(len(h.rooms))], Position: h.position, Frame: frame,
	}
}

// cpu is the processor time of this process so far.
func cpu() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // fails for a bad argument only
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
