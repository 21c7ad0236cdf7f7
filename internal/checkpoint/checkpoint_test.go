package checkpoint_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"ping/internal/checkpoint"
	"ping/internal/eventlog"
	"ping/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestParse(t *testing.T) {
	w := checkpoint.New(nil, 16)
	none, err := w.Parse("")
	require.NoError(t, err)
	require.Empty(t, none)
	several, err := w.Parse("7:1042, 15:3")
	require.NoError(t, err)
	require.Equal(t, []eventlog.At{{Partition: 7, Position: 1042}, {Partition: 15, Position: 3}}, several)
	for _, bad := range []string{"7", "7:", ":7", "x:1", "7:-1", "16:1", "-1:1", "7:1,", "7:99999999999999999999", " "} {
		_, err := w.Parse(bad)
		require.ErrorIs(t, err, checkpoint.ErrPosition, bad)
	}
}

// FuzzParse: every accepted position is of this log, and survives a round trip
// through its text form.
func FuzzParse(f *testing.F) {
	f.Add("7:1042, 15:3")
	f.Add("")
	f.Add("16:1,,")
	f.Fuzz(func(t *testing.T, header string) {
		w := checkpoint.New(nil, 16)
		positions, err := w.Parse(header)
		if err != nil {
			require.ErrorIs(t, err, checkpoint.ErrPosition)
			return
		}
		require.LessOrEqual(t, len(positions), 16)
		written := make([]string, len(positions))
		for i, at := range positions {
			require.True(t, at.Partition >= 0 && at.Partition < 16 && at.Position >= 0, at)
			written[i] = at.String()
		}
		parsed, err := w.Parse(strings.Join(written, ","))
		require.NoError(t, err)
		require.Equal(t, positions, parsed)
	})
}

func TestWait(t *testing.T) {
	pool := testkit.Pool(t)
	ctx := t.Context()
	_, err := pool.Exec(ctx, `
		INSERT INTO projections.checkpoints VALUES ('inbox', 0, 5), ('inbox', 1, 0), ('timeline', 0, 5), ('timeline', 1, 0)`)
	require.NoError(t, err)
	w := checkpoint.New(pool, 2)
	at := func(positions ...int64) (all []eventlog.At) {
		for p, position := range positions {
			all = append(all, eventlog.At{Partition: p, Position: position})
		}
		return all
	}
	require.NoError(t, w.Wait(ctx, at(5), "inbox", "timeline"))

	t.Run("all readers return once every projection is there", func(t *testing.T) {
		var readers errgroup.Group
		var early errgroup.Group
		for range 50 {
			readers.Go(func() error { return w.Wait(ctx, at(6, 2), "inbox", "timeline") })
		}
		early.Go(func() error { return w.Wait(ctx, at(6), "inbox") })
		_, err := pool.Exec(ctx, `UPDATE projections.checkpoints SET position = 6 WHERE projection = 'inbox'`)
		require.NoError(t, err)
		require.NoError(t, early.Wait())
		_, err = pool.Exec(ctx, `UPDATE projections.checkpoints SET position = 6`)
		require.NoError(t, err)
		require.NoError(t, readers.Wait())
	})
	t.Run("returns an error after two seconds", func(t *testing.T) {
		began := time.Now()
		require.ErrorIs(t, w.Wait(ctx, at(1000), "inbox"), checkpoint.ErrBehind)
		require.InDelta(t, 2, time.Since(began).Seconds(), 0.5)
		require.ErrorIs(t, w.Wait(ctx, at(1), "unknown"), checkpoint.ErrBehind)
	})
	t.Run("ends with its caller, and another reads on", func(t *testing.T) {
		canceled, cancel := context.WithCancel(ctx)
		var first errgroup.Group
		first.Go(func() error { return w.Wait(canceled, at(7), "inbox") })
		var second errgroup.Group
		second.Go(func() error { return w.Wait(ctx, at(7), "inbox") })
		cancel()
		require.ErrorIs(t, first.Wait(), context.Canceled)
		_, err := pool.Exec(ctx, `UPDATE projections.checkpoints SET position = 7`)
		require.NoError(t, err)
		require.NoError(t, second.Wait())
	})
}

// BenchmarkWait measures a read that need not wait.
func BenchmarkWait(b *testing.B) {
	pool := testkit.Pool(b)
	for p := range 16 {
		_, err := pool.Exec(b.Context(), `INSERT INTO projections.checkpoints VALUES ('inbox', `+strconv.Itoa(p)+`, 5)`)
		require.NoError(b, err)
	}
	w := checkpoint.New(pool, 16)
	for b.Loop() {
		if err := w.Wait(b.Context(), []eventlog.At{{Partition: 7, Position: 5}}, "inbox"); err != nil {
			b.Fatal(err)
		}
	}
}
