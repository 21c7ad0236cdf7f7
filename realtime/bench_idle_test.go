package realtime

import (
	"runtime"
	"testing"
	"time"

	"ping/domain"
)

// BenchmarkIdle opens streams of users in 20 conversations each and measures
// what they hold when nothing happens, the clients' ends included: those are a
// bare connection and its 16 KB read buffer, which is left out. Run it with
// -benchtime 1000x.
func BenchmarkIdle(b *testing.B) {
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
	before, goroutines := held(), runtime.NumGoroutine()
	b.ResetTimer()
	for _, user := range users {
		conn, _ := n.dialRaw(user)
		b.Cleanup(func() { _ = conn.Close() })
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "connects/s")
	b.ReportMetric(float64(held()-before)/1024/float64(b.N), "KB/socket")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/float64(b.N), "goroutines/socket")
	b.ReportMetric(0, "ns/op")
}

// held is the memory in use after collection: the heap's and the stacks'.
func held() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
