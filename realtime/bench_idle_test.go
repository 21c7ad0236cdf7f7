package realtime

import (
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/realtime/protocol"
)

// BenchmarkIdle opens streams of users in 20 conversations each, 32 at a time,
// and measures what a connect costs and what a stream holds when nothing
// happens; the clients are another process. `floor` is a server that does no
// more than upgrade, send as many bytes and read. Run it with -benchtime 2000x.
func BenchmarkIdle(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		server := &http.Server{Handler: http.HandlerFunc(bareStream)}
		go func() { _ = server.Serve(listener) }() // ends when it is closed
		b.Cleanup(func() { _ = server.Close() })
		request := upgradeRequest(strings.Repeat("x", 300))
		requests := make([]string, b.N)
		for i := range requests {
			requests[i] = request
		}
		benchmarkIdle(b, listener.Addr().String(), request, requests)
	})
	b.Run("hub", func(b *testing.B) {
		w := newWorld(b)
		n := w.start(Config{Heartbeat: time.Hour})
		users := make([]domain.ID, b.N)
		for i := range users {
			users[i] = newID()
		}
		for from := 0; from < len(users); from += 50 {
			room := users[from:min(from+50, len(users))]
			for range 20 {
				n.group(room...)
			}
		}
		n.loadInbox()
		address := strings.TrimSuffix(strings.TrimPrefix(n.url, "http://"), "/v1/stream")
		benchmarkIdle(b, address, upgradeRequest(w.token(users[0])), upgradeRequests(w, users))
	})
}

func benchmarkIdle(b *testing.B, address, first string, requests []string) {
	warm := make([]string, 100)
	for i := range warm {
		warm[i] = first
	}
	newCrowd(b).do(order{Address: address, Requests: warm, AtOnce: 32})
	clients := newCrowd(b)
	before := settled()
	spent := cpu()
	b.ResetTimer()
	took := clients.do(order{Address: address, Requests: requests, AtOnce: 32}).Took
	b.StopTimer()
	spent = cpu() - spent
	after := holding()
	sockets := float64(b.N)
	b.ReportMetric(sockets/took.Seconds(), "connects/s")
	b.ReportMetric(float64(spent.Microseconds())/sockets, "cpu-µs/connect")
	b.ReportMetric((after.live-before.live)/1024/sockets, "live-KB/socket")
	b.ReportMetric((after.heap-before.heap)/1024/sockets, "heap-KB/socket")
	b.ReportMetric((after.stacks-before.stacks)/1024/sockets, "stack-KB/socket")
	b.ReportMetric((after.resident-before.resident)/1024/sockets, "rss-KB/socket")
	b.ReportMetric(float64(after.goroutines-before.goroutines)/sockets, "goroutines/socket")
	b.ReportMetric(0, "ns/op")
}

// held is what this process has in use after collection, in bytes: what lives in
// the heap, the heap's spans, the stacks, and all of it that is in the machine's
// memory.
type held struct {
	live, heap, stacks, resident float64
	goroutines                   int
}

// settled is what is held once others, such as NATS after many appends, have let
// go of what they kept for a while.
func settled() held {
	least := holding()
	for unchanged := 0; unchanged < 4; unchanged++ {
		time.Sleep(500 * time.Millisecond)
		if now := holding(); now.live < 0.99*least.live {
			least, unchanged = now, 0
		}
	}
	return holding()
}

func holding() held {
	runtime.GC() // sweeps what the next leaves
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	statm, _ := os.ReadFile("/proc/self/statm") // 0 where there is none
	var pages float64
	if fields := strings.Fields(string(statm)); len(fields) > 1 {
		pages, _ = strconv.ParseFloat(fields[1], 64)
	}
	return held{
		live: float64(m.HeapAlloc), heap: float64(m.HeapInuse), stacks: float64(m.StackInuse),
		resident: pages * float64(os.Getpagesize()), goroutines: runtime.NumGoroutine(),
	}
}

// bareStream upgrades and sends what a stream of 20 conversations begins with.
func bareStream(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{protocol.Subprotocol}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	_ = conn.WriteMessage(websocket.TextMessage, []byte(strings.Repeat("x", 330)))
	_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"ready"`+strings.Repeat(" ", 1600)+"}"))
	go func() {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				_ = conn.Close()
				return
			}
		}
	}()
}
