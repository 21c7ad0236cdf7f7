package node

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Stage is a group of goroutines that stop together. Stages stop one after
// another, so that an earlier one may use a later one until it has stopped.
type Stage struct {
	ctx    context.Context
	cancel context.CancelFunc
	group  errgroup.Group
	fail   context.CancelCauseFunc
}

// NewStage makes a stage whose goroutines run until Stop, even when ctx ends. It
// calls fail when one of them fails.
func NewStage(ctx context.Context, fail context.CancelCauseFunc) *Stage {
	s := &Stage{fail: fail}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// Run runs one goroutine. Its errors after Stop are ignored.
func (s *Stage) Run(name string, work func(ctx context.Context) error) {
	s.group.Go(func() error {
		if err := work(s.ctx); err != nil && s.ctx.Err() == nil {
			s.fail(fmt.Errorf("%s: %w", name, err))
		}
		return nil
	})
}

// Stop stops the goroutines and waits for them.
func (s *Stage) Stop() {
	s.cancel()
	_ = s.group.Wait() // they report errors through fail
}
