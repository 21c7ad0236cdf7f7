package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// stage is a group of goroutines that end together, apart from other groups:
// what ends later may still be used by what ends earlier.
type stage struct {
	ctx    context.Context
	cancel context.CancelFunc
	group  errgroup.Group
	fail   context.CancelCauseFunc
}

// newStage makes a stage whose goroutines run until stop, whatever becomes of
// ctx. When one of them fails, fail is called.
func newStage(ctx context.Context, fail context.CancelCauseFunc) *stage {
	s := &stage{fail: fail}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// run runs one goroutine. An error of it once the stage is told to stop is of no
// interest.
func (s *stage) run(name string, work func(ctx context.Context) error) {
	s.group.Go(func() error {
		if err := work(s.ctx); err != nil && s.ctx.Err() == nil {
			s.fail(fmt.Errorf("%s: %w", name, err))
		}
		return nil
	})
}

// stop ends the goroutines and waits for them.
func (s *stage) stop() {
	s.cancel()
	_ = s.group.Wait() // they tell their errors by fail
}
