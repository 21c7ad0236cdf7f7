// Package checkpoint lets a reader wait until read models have applied a
// position of the log. That is how a client reads its own writes, whichever node
// applies the events.
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
	ErrBehind   = &domain.Error{Kind: domain.Unavailable, Code: "behind", Message: "The read model has not caught up with Ping-Min-Position yet. Retry shortly."}
	ErrPosition = &domain.Error{Kind: domain.InvalidRequest, Code: "position_invalid",
		Message: "Ping-Min-Position must be a position that a write returned as Ping-Position, such as 7:1042; separate several by commas."}
)

const (
	// patience is how long a read waits before it gets ErrBehind.
	patience = 2 * time.Second
	// pollInterval is the minimum time between two reads of the checkpoints.
	pollInterval = 4 * time.Millisecond
)

// Waiter waits for checkpoints. However many readers wait on a node, one of
// them reads the checkpoints for all: one query of a few dozen rows.
type Waiter struct {
	pool       *pgxpool.Pool
	partitions int
	reading    chan struct{} // held by the reader that reads the checkpoints

	mu        sync.Mutex
	positions map[key]int64 // the checkpoints as last read; they never go back
	readAt    time.Time
	updated   chan struct{} // closed when the checkpoints are read again
}

// key identifies a checkpoint.
type key struct {
	projection string
	partition  int
}

// New makes a Waiter for a log with this number of partitions.
func New(pool *pgxpool.Pool, partitions int) *Waiter {
	return &Waiter{
		pool: pool, partitions: partitions,
		reading: make(chan struct{}, 1), positions: map[key]int64{}, updated: make(chan struct{}),
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

// Wait returns when all projections have applied the positions, or with
// ErrBehind after 2 s. A position that the log has not reached is awaited like
// any other.
func (w *Waiter) Wait(ctx context.Context, positions []eventlog.At, projections ...string) error {
	if len(positions) == 0 {
		return nil
	}
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		reached, updated := w.reached(positions, projections)
		if reached {
			return nil
		}
		var err error
		select {
		case <-updated:
		case w.reading <- struct{}{}:
			err = w.read(patient)
			<-w.reading
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

// reached reports whether the checkpoints as last read are far enough; updated
// is closed when they are read again.
func (w *Waiter) reached(positions []eventlog.At, projections []string) (reached bool, updated <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, projection := range projections {
		for _, p := range positions {
			if w.positions[key{projection, p.Partition}] < p.Position {
				return false, w.updated
			}
		}
	}
	return true, nil
}

// read reads the checkpoints, at least pollInterval after the last time, and
// wakes the waiting readers.
func (w *Waiter) read(ctx context.Context) error {
	w.mu.Lock()
	pause := time.Until(w.readAt.Add(pollInterval))
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
	read := map[key]int64{}
	var k key
	var position int64
	_, err := pgx.ForEachRow(rows, []any{&k.projection, &k.partition, &position}, func() error {
		read[k] = position
		return nil
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.positions, w.readAt = read, time.Now()
	close(w.updated)
	w.updated = make(chan struct{})
	return nil
}
