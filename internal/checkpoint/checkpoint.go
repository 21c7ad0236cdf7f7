// Package checkpoint lets a reader wait until read models have applied a
// place of the log: read-your-writes, whichever node applies the events.
package checkpoint

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
	"ping/internal/eventlog"
)

// The refusals of this package.
var (
	ErrBehind   = &domain.Error{Kind: domain.Unavailable, Code: "behind", Message: "The read model has not caught up with Ping-Min-Position yet; try again shortly."}
	ErrPosition = &domain.Error{Kind: domain.InvalidRequest, Code: "position_invalid",
		Message: "Ping-Min-Position is what a write answered as Ping-Position, such as 7:1042; several are separated by commas."}
)

const (
	// patience is how long a read waits before it is told ErrBehind.
	patience = 2 * time.Second
	// pollEvery is the least time between two looks at the checkpoints.
	pollEvery = 4 * time.Millisecond
)

// Waiter waits for checkpoints. However many readers wait on a node, one of
// them looks for all: each look is one query of a few dozen rows.
type Waiter struct {
	pool       *pgxpool.Pool
	partitions int
	turn       chan struct{} // held by the reader that looks

	mu     sync.Mutex
	at     map[place]int64 // the checkpoints last seen; they never go back
	looked time.Time
	moved  chan struct{} // closed at the next look
}

type place struct {
	projection string
	partition  int
}

// New makes a Waiter for a log with so many partitions.
func New(pool *pgxpool.Pool, partitions int) *Waiter {
	return &Waiter{
		pool: pool, partitions: partitions,
		turn: make(chan struct{}, 1), at: map[place]int64{}, moved: make(chan struct{}),
	}
}

// Parse reads a Ping-Min-Position header: nothing, a position, or several
// separated by commas. It returns ErrPosition for anything else, and for a
// partition that the log does not have.
func (w *Waiter) Parse(header string) ([]eventlog.At, error) {
	if header == "" {
		return nil, nil
	}
	parts := strings.Split(header, ",")
	if len(parts) > w.partitions {
		return nil, ErrPosition
	}
	positions := make([]eventlog.At, len(parts))
	for i, part := range parts {
		at, err := eventlog.ParseAt(strings.TrimSpace(part))
		if err != nil || at.Partition >= w.partitions {
			return nil, ErrPosition
		}
		positions[i] = at
	}
	return positions, nil
}

// Wait returns when the projections have all applied the positions, with
// ErrBehind if that takes more than 2 s. A position that the log has not
// reached is waited for like any other.
func (w *Waiter) Wait(ctx context.Context, positions []eventlog.At, projections ...string) error {
	if len(positions) == 0 {
		return nil
	}
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		reached, moved := w.reached(positions, projections)
		if reached {
			return nil
		}
		var err error
		select {
		case <-moved:
		case w.turn <- struct{}{}:
			err = w.look(patient)
			<-w.turn
		case <-patient.Done():
			err = patient.Err()
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case patient.Err() != nil:
			return ErrBehind
		case err != nil:
			return fmt.Errorf("read checkpoints: %w", err)
		}
	}
}

// reached reports whether the checkpoints seen so far are enough; moved is
// closed when they are seen anew.
func (w *Waiter) reached(positions []eventlog.At, projections []string) (reached bool, moved <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, projection := range projections {
		for _, p := range positions {
			if w.at[place{projection, p.Partition}] < p.Position {
				return false, w.moved
			}
		}
	}
	return true, nil
}

// look reads the checkpoints, not sooner than pollEvery after the last time,
// and wakes who waits.
func (w *Waiter) look(ctx context.Context) error {
	w.mu.Lock()
	pause := time.Until(w.looked.Add(pollEvery))
	w.mu.Unlock()
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
	rows, _ := w.pool.Query(ctx, `SELECT projection, partition, position FROM projections.checkpoints`)
	seen := map[place]int64{}
	var p place
	var position int64
	_, err := pgx.ForEachRow(rows, []any{&p.projection, &p.partition, &position}, func() error {
		seen[p] = position
		return nil
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.looked = seen, time.Now()
	close(w.moved)
	w.moved = make(chan struct{})
	return nil
}
