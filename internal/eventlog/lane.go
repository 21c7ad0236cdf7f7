package eventlog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ping/domain"
	"ping/internal/postgres"
)

// lane is the single writer of its partitions on this node: one goroutine that
// takes the waiting commands, decides them one after another, appends all their
// events in one transaction and answers. A batch is whatever arrived while the
// last one committed.
type lane struct {
	*writer
	queue  chan *request
	states *stateCache
}

// run works until ctx ends, then finishes its current batch.
func (ln *lane) run(ctx context.Context) {
	batch := make([]*request, 0, ln.cfg.MaxBatch)
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-ln.queue:
			batch = append(batch[:0], r)
		}
		for waiting := true; waiting && len(batch) < cap(batch); {
			select {
			case r := <-ln.queue:
				batch = append(batch, r)
			default:
				waiting = false
			}
		}
		ln.answer(batch)
		clear(batch[:cap(batch)]) // keep no reference to what was answered
	}
}

// answer answers every request of the batch. A batch outlives its callers: it
// belongs to the lane and has the lane's timeout.
func (ln *lane) answer(batch []*request) {
	ctx, cancel := context.WithTimeout(context.Background(), ln.cfg.AppendTimeout)
	defer cancel()
	ln.process(ctx, batch)
}

// process runs as many rounds as the batch needs: one, unless commands were
// repeated, decisions were stale, or Postgres failed.
func (ln *lane) process(ctx context.Context, batch []*request) {
	pause := 5 * time.Millisecond
	for {
		err := ln.round(ctx, batch)
		batch = slices.DeleteFunc(batch, func(r *request) bool { return r.answered })
		if len(batch) == 0 {
			return
		}
		if err == nil {
			continue
		}
		ln.states.clear()
		switch {
		case postgres.IsDataError(err) && len(batch) == 1:
			batch[0].answer(Result{}, fmt.Errorf("append to %s: %w", batch[0].Stream, err))
			return
		case postgres.IsDataError(err):
			// Postgres cannot store one of them: find it by appending them one by one.
			for _, r := range slices.Clone(batch) {
				ln.process(ctx, []*request{r})
			}
			return
		}
		ln.logger.Warn("append failed; retrying", "error", err, "commands", len(batch))
		select {
		case <-ctx.Done():
			for _, r := range batch {
				r.answer(Result{}, fmt.Errorf("%w: %w", ErrUnavailable, err))
			}
			return
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		}
	}
}

// round decides the batch, appends what was decided and answers all that it
// can. Unanswered requests must be decided again: their state was stale or,
// after an error, their outcome is unknown.
func (ln *lane) round(ctx context.Context, batch []*request) error {
	if err := ln.states.load(ctx, batch); err != nil {
		return err
	}
	ln.answerInspections(batch)
	p, unchanged := ln.decide(batch)
	accepted, err := ln.append(ctx, p)
	if err != nil || !accepted {
		// A decision to change nothing may rest on events that were not accepted.
		return err
	}
	return ln.answerUnchanged(ctx, unchanged)
}

// answerInspections answers the inspections of the batch, whose states were all
// read in this round. No command is decided yet, so the states hold committed
// events only.
func (ln *lane) answerInspections(batch []*request) {
	for _, r := range batch {
		switch {
		case !r.inspects:
		case r.st.err != nil:
			r.answer(Result{}, r.st.err)
		default:
			_, err := r.decide(r.st.state, r.st.version)
			r.answer(Result{At: At{ln.meta.PartitionOf(r.Stream), r.st.position}, Version: r.st.version}, err)
		}
	}
}

// decide decides the commands of the batch one after another. It returns the
// plan of their events, and the commands that have nothing to append, as far as
// they were decided on states of this round.
func (ln *lane) decide(batch []*request) (p *plan, unchanged []*request) {
	type key struct {
		stream domain.ID
		id     domain.ID
	}
	taken := make(map[key]bool, len(batch))
	p = newPlan(ln.meta)
	for _, r := range batch {
		if r.answered {
			continue
		}
		k := key{r.Stream, r.id}
		if taken[k] || p.hasOtherKind(r) {
			continue // the next round finds it, or the events of the other kind, in the log
		}
		taken[k] = true
		if r.st.err != nil {
			r.answer(Result{}, r.st.err)
			continue
		}
		r.events, r.err = r.decide(r.st.state, r.st.version)
		switch {
		case r.err == nil && len(r.events) > 0:
			p.add(r)
		case r.st.round == ln.states.round:
			unchanged = append(unchanged, r)
		default:
			r.st.expired = true // nobody is refused on a stale state
		}
	}
	return p, unchanged
}

// append sends the plan to Postgres and answers the commands that were accepted
// or that had happened before.
func (ln *lane) append(ctx context.Context, p *plan) (accepted bool, err error) {
	if len(p.requests) == 0 {
		return true, nil
	}
	began := time.Now()
	appended, err := p.append(ctx, ln.pool)
	if err != nil {
		for _, r := range p.requests {
			r.uncertain = true
		}
		return false, err
	}
	if !appended.refused() {
		p.accept(appended)
		for _, s := range p.streams {
			ln.states.keep(s.first)
		}
		ln.metrics.observeAppend(time.Since(began), len(p.requests), p.size)
		ln.memory.addAppended(p.byPartition) // wakes the Tails and the publishers
		for _, r := range p.requests {
			last := r.recorded[len(r.recorded)-1]
			r.answer(Result{Events: r.recorded, At: At{last.Partition, last.Position}, Version: last.Version}, nil)
		}
		return true, nil
	}
	ln.metrics.refused.Inc()
	ln.states.withdraw(p)
	if !appended.Repeats {
		return false, nil
	}
	return false, ln.answerRepeated(ctx, p.requests)
}

// answerUnchanged answers commands that append nothing: with their first result
// if they happened before, else with the refusal or the success. A success with
// an idempotency key leaves a receipt, so that a retry gets the same answer.
func (ln *lane) answerUnchanged(ctx context.Context, unchanged []*request) error {
	if err := ln.answerRepeated(ctx, unchanged); err != nil {
		return err
	}
	for _, r := range unchanged {
		if r.answered {
			continue
		}
		if r.err != nil {
			r.answer(Result{}, r.err)
			continue
		}
		res := Result{At: At{ln.meta.PartitionOf(r.Stream), r.st.position}, Version: r.st.version}
		if r.keyed() && !r.SkipReceipt {
			if err := ln.idempotency.writeReceipt(ctx, r, res); err != nil {
				return err
			}
		}
		r.answer(res, nil)
	}
	return nil
}

// answerRepeated answers the requests that happened before, including those
// that an append of this lane stored before its connection broke.
func (ln *lane) answerRepeated(ctx context.Context, requests []*request) error {
	keyed := make([]*request, 0, len(requests))
	for _, r := range requests {
		if r.keyed() || r.uncertain {
			keyed = append(keyed, r)
		}
	}
	if len(keyed) == 0 {
		return nil
	}
	found, err := ln.idempotency.find(ctx, keyed)
	if err != nil {
		return err
	}
	for i, r := range keyed {
		switch f := found[i]; {
		case f == nil:
		case f.fingerprint != r.Fingerprint:
			r.answer(Result{}, ErrKeyReused)
		default:
			f.Replayed = r.keyed() // a command without a key has an id that only this lane knows
			r.answer(f.Result, nil)
		}
	}
	return nil
}
