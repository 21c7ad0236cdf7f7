package eventlog_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

// BenchmarkAppend measures acknowledged messages per second through the lanes
// with 1, 16, 64 and 512 concurrent senders to 50 conversations. It compares each
// with a floor: rows of the same kind in batches of the same mean size, from as
// many connections as there are busy lanes, by plain multi-row INSERT, one
// transaction each, in the same durable Postgres. They take turns, so that noise
// of the machine affects both. ratio is the lanes' rate over the floor's.
func BenchmarkAppend(b *testing.B) {
	for _, senders := range []int{1, 16, 64, 512} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			pool := testkit.DurablePool(b)
			n := open(b, pool, testkit.NATS(b).ClientURL())
			owner := eventlog.NewID()
			groups := make([]domain.ID, 50)
			for i := range groups {
				groups[i] = eventlog.NewID()
				n.createGroup(b, groups[i], owner)
			}
			var lanes, floor, batch float64
			b.ResetTimer()
			for range b.N {
				const turn = time.Second
				rate, size := appendThroughLanes(b, n, senders, groups, owner, turn)
				lanes, batch = lanes+rate, batch+size
				floor += insertPlainly(b, pool, min(senders, n.Lanes()), max(1, int(size+0.5)), turn)
			}
			b.ReportMetric(batch/float64(b.N), "events/tx")
			b.ReportMetric(lanes/float64(b.N), "events/s")
			b.ReportMetric(floor/float64(b.N), "floor-events/s")
			b.ReportMetric(lanes/floor, "ratio")
		})
	}
}

// BenchmarkBigGroup measures the latency of one caller in a small and in a large
// group: of a message and of the refusal of an outsider, with the group's state
// cached, and of a message without a cache, when all members are read.
func BenchmarkBigGroup(b *testing.B) {
	for _, members := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			pool, broker := testkit.DurablePool(b), testkit.NATS(b)
			n := open(b, pool, broker.ClientURL())
			cold := open(b, pool, broker.ClientURL(), eventlog.Config{StateCache: 1})
			owner, group := eventlog.NewID(), eventlog.NewID()
			n.createLargeGroup(b, group, owner, members)
			requireMirrored(b, pool, broker.ClientURL(), 1) // so that mirroring does not disturb the measurement
			b.Run("send", func(b *testing.B) {
				for b.Loop() {
					n.mustSend(b, group, owner, benchBody)
				}
			})
			b.Run("refuse", func(b *testing.B) {
				for b.Loop() {
					_, err := n.send(b.Context(), group, eventlog.NewID(), "", benchBody)
					require.ErrorIs(b, err, domain.ErrConversationNotFound)
				}
			})
			b.Run("send-cold", func(b *testing.B) {
				for b.Loop() {
					cold.mustSend(b, group, owner, benchBody)
				}
			})
		})
	}
}

const benchBody = "best media player: VLC (get wxvlc). It plays everything, and it is in universe."

// appendThroughLanes sends for a while and returns events/s and the mean
// number of events per transaction.
func appendThroughLanes(b *testing.B, n *node, senders int, groups []domain.ID, owner domain.ID, during time.Duration) (rate, size float64) {
	var sent atomic.Int64
	transactions := n.Appends()
	began := time.Now()
	var wait sync.WaitGroup
	for sender := range senders {
		wait.Go(func() {
			for i := sender; time.Since(began) < during; i++ {
				if _, err := n.send(b.Context(), groups[i%len(groups)], owner, uuid.NewString(), benchBody); err != nil {
					b.Error(err)
					return
				}
				sent.Add(1)
			}
		})
	}
	wait.Wait()
	return float64(sent.Load()) / time.Since(began).Seconds(), float64(sent.Load()) / float64(n.Appends()-transactions)
}

// floorPartition is beyond the partitions of the log: the floor's rows share its
// table.
var floorPartition atomic.Int32

// insertPlainly inserts batches of rows from some connections as fast as it can,
// and returns rows/s.
func insertPlainly(b *testing.B, pool *pgxpool.Pool, connections, size int, during time.Duration) float64 {
	var values strings.Builder
	for i := range size {
		if i > 0 {
			values.WriteByte(',')
		}
		n := 8 * i
		fmt.Fprintf(&values, "($%d,$%d,$%d,$%d,$%d,'message.sent',1,false,$%d,$%d,$%d,0,1,123456789,NULL,NULL,$%d)",
			n+1, n+2, n+3, n+2, n+4, n+5, n+6, n+7, n+8)
	}
	insert := `INSERT INTO log.events (partition, position, stream, version, id, type, schema, decisive, recorded_at,
		actor, command_id, ordinal, command_size, fingerprint, correlation_id, causation_id, payload) VALUES ` + values.String()
	payload := []byte(`{"body":"` + benchBody + `"}`)
	var inserted atomic.Int64
	var wait sync.WaitGroup
	began := time.Now()
	for range connections {
		wait.Go(func() {
			conn, err := pool.Acquire(context.Background())
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Release()
			partition, stream := int16(floorPartition.Add(1)+1000), eventlog.NewID()
			args := make([]any, 0, 8*size)
			for position := int64(0); time.Since(began) < during; {
				args = args[:0]
				now := time.Now()
				for range size {
					position++
					args = append(args, partition, position, stream, eventlog.NewID(), now, stream, [16]byte(uuid.New()), payload)
				}
				if _, err := conn.Exec(context.Background(), insert, args...); err != nil {
					b.Error(err)
					return
				}
				inserted.Add(int64(size))
			}
		})
	}
	wait.Wait()
	return float64(inserted.Load()) / time.Since(began).Seconds()
}
