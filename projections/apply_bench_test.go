package projections

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/internal/testkit"
)

// BenchmarkApply applies a log of messages in 50 groups of 10, with two senders
// each, in batches as large as under load and in a backlog. The floor is COPY of
// the resulting rows into the same tables.
//
//	events/s     of one connection
//	of-COPY      events/s as a share of the floor's
//	cpu-µs/event that Postgres needed
func BenchmarkApply(b *testing.B) {
	pool := testkit.Pool(b)
	w := newWriterOf(16)
	w.chat(50, 10, 2, 40_000)
	w.store(b, pool)
	require.NoError(b, Install(b.Context(), pool, BuiltIn(), testkit.Logger(b)))
	for _, set := range []struct {
		name        string
		projections []Projection
	}{{"timeline", BuiltIn()[:1]}, {"search", BuiltIn()[3:4]}, {"all", BuiltIn()}} {
		// The first run fills the tables that COPY will have to fill.
		for _, p := range set.projections {
			rewind(b, pool, p)
			w.applyAll(b, applierFor(b, pool, p), 2000)
		}
		floor := 0.0
		b.Run(set.name+"/COPY", func(b *testing.B) { floor = benchmarkCopy(b, pool, w, set.projections) })
		for _, batch := range []int{250, 2000} {
			b.Run(fmt.Sprintf("%s/batch=%d", set.name, batch), func(b *testing.B) {
				rate := measure(b, pool, w, set.projections, func(a *applier) { w.applyAll(b, a, batch) })
				b.ReportMetric(rate/floor, "of-COPY")
			})
		}
	}
}

// applyAll applies the log in batches of about the size, from all partitions.
func (w *writer) applyAll(b *testing.B, a *applier, batch int) {
	at := make([]int64, len(w.heads))
	for {
		var spans []span
		for p, head := range w.heads {
			if at[p] < head {
				spans = append(spans, span{int16(p), at[p], head})
			}
		}
		if len(spans) == 0 {
			return
		}
		spans = limit(spans, batch)
		if err := a.apply(context.Background(), spans); err != nil {
			b.Fatal(err)
		}
		for _, s := range spans {
			at[s.partition] = s.upto
		}
	}
}

// measure runs work for each projection on tables that are empty again, and
// returns events/s.
func measure(b *testing.B, pool *pgxpool.Pool, w *writer, all []Projection, work func(*applier)) float64 {
	var appliers []*applier
	for _, p := range all {
		appliers = append(appliers, applierFor(b, pool, p))
	}
	var took, cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		for i, a := range appliers {
			rewind(b, pool, all[i])
			cpuBegan, began := cpuOf(b, a.conn), time.Now()
			b.StartTimer()
			work(a)
			b.StopTimer()
			took += time.Since(began)
			cpu += cpuOf(b, a.conn) - cpuBegan
		}
		b.StartTimer()
	}
	n := float64(b.N * len(w.events))
	b.ReportMetric(n/took.Seconds(), "events/s")
	b.ReportMetric(float64(cpu.Microseconds())/n, "cpu-µs/event")
	b.ReportMetric(0, "ns/op")
	return n / took.Seconds()
}

// cpuOf returns the processor time that a connection's server process has used.
func cpuOf(b *testing.B, conn *pgx.Conn) time.Duration {
	var schedstat string
	require.NoError(b, conn.QueryRow(context.Background(), `SELECT pg_read_file('/proc/self/schedstat')`).Scan(&schedstat))
	ns, err := strconv.ParseInt(strings.Fields(schedstat)[0], 10, 64)
	require.NoError(b, err)
	return time.Duration(ns)
}

func benchmarkCopy(b *testing.B, pool *pgxpool.Pool, w *writer, all []Projection) float64 {
	ctx := context.Background()
	contents := map[string][]byte{}
	for _, p := range all {
		for _, table := range tables[p.Name] {
			var content bytes.Buffer
			conn, err := pool.Acquire(ctx)
			require.NoError(b, err)
			_, err = conn.Conn().PgConn().CopyTo(ctx, &content, fmt.Sprintf("COPY %s.%s TO STDOUT (FORMAT binary)", p.Name, table))
			conn.Release()
			require.NoError(b, err)
			contents[p.Name+"."+table] = content.Bytes()
		}
	}
	return measure(b, pool, w, all, func(a *applier) {
		for _, table := range tables[a.schema] {
			name := a.schema + "." + table
			if _, err := a.conn.PgConn().CopyFrom(ctx, bytes.NewReader(contents[name]), "COPY "+name+" FROM STDIN (FORMAT binary)"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
