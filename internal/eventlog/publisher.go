package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// publisher publishes one partition on NATS. One publish does two things: the other
// nodes receive the event live, and JetStream stores it, so that the mirror equals
// the log. Every node runs one publisher per partition; there is no leader. A publisher publishes what its own node
// appended, counts what it saw other nodes publish as done, and repairs from
// Postgres whatever the mirror turns out to lack. The mirror refuses disorder
// and duplicates, so publishers that do the same work do no harm.
type publisher struct {
	recent  *recent
	memory  *memory
	mirror  *mirror
	reader  *Reader
	metrics *metrics
	logger  *slog.Logger

	last   int64     // the mirror's last position, as far as is known here
	proven int64     // up to here that is known from an answer, beyond it is assumed
	asked  time.Time // when the mirror last answered
	sent   time.Time // when this publisher last published
	forced int64     // up to here this publisher publishes, whichever node appended
	synced bool      // the mirror has answered since the last failure
}

const (
	// chainLength bounds the messages published without an answer.
	chainLength = 256
	// askInterval is how long a busy publisher publishes without asking for an
	// answer: answers cost more than messages.
	askInterval = 50 * time.Millisecond
	// publishInterval is the minimum time between a busy publisher's publishes:
	// what arrives meanwhile leaves in one write. An idle one publishes at once.
	publishInterval = 4 * time.Millisecond
	// grace is how long an event from another node may be in flight before it
	// counts as missing.
	grace = 5 * time.Millisecond
	// sweepInterval is how often an idle publisher checks whether the mirror
	// still holds what it should.
	sweepInterval = 500 * time.Millisecond
	// requestTimeout bounds one request to JetStream.
	requestTimeout = 5 * time.Second
)

// run works until ctx ends, or until draining is closed and there is nothing
// left to publish. An error says that log and mirror do not belong together.
func (p *publisher) run(ctx context.Context, draining <-chan struct{}) error {
	pause := 50 * time.Millisecond
	for {
		done, err := p.step(ctx, draining)
		switch {
		case ctx.Err() != nil || done:
			return nil
		case errors.Is(err, ErrMirrorAhead):
			return err
		case err == nil:
			pause = 50 * time.Millisecond
			continue
		}
		p.synced = false
		p.metrics.mirrorErrors.Inc()
		p.logger.Debug("mirror is behind; retrying", "partition", p.recent.partition, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-draining:
			return nil // other nodes or the next start publish the rest
		case <-time.After(pause):
			pause = min(2*pause, 2*time.Second)
		}
	}
}

// step publishes one chain, or waits for something to publish.
func (p *publisher) step(ctx context.Context, draining <-chan struct{}) (done bool, err error) {
	if !p.synced {
		if err := p.sync(ctx); err != nil {
			return false, err
		}
	}
	if err := p.pace(ctx); err != nil {
		return true, nil
	}
	next := p.recent.after(p.last, chainLength)
	if next.more != nil {
		return p.idle(ctx, draining, next.more)
	}
	events := next.events
	if next.evicted || !p.memory.fresh() {
		p.forced = max(p.forced, next.tip)
		if events, err = p.reader.readPartition(ctx, p.recent.partition, p.last, next.tip, chainLength); err != nil {
			return false, err
		}
		if len(events) == 0 || events[0].Position != p.last+1 {
			return false, fmt.Errorf("log has no event at %s", At{p.recent.partition, p.last + 1})
		}
	}
	if p.last-p.proven >= chainLength {
		return false, p.sync(ctx)
	}
	mine := 0
	for mine < len(events) && (events[mine].origin == appended || events[mine].Position <= p.forced) {
		mine++
	}
	if mine > 0 {
		return false, p.publish(ctx, events[:mine])
	}
	if events[0].origin == published {
		// Another node published it, so this one does not. The next answer shows
		// whether it was stored.
		p.last = events[0].Position
		return false, nil
	}
	return false, p.repair(ctx, events[0].Position)
}

// pace waits until publishInterval has passed since the last publish.
func (p *publisher) pace(ctx context.Context) error {
	wait := publishInterval - time.Since(p.sent)
	if wait <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// idle waits for events, and checks the mirror at intervals.
func (p *publisher) idle(ctx context.Context, draining, more <-chan struct{}) (done bool, err error) {
	select {
	case <-more:
		return false, nil
	default:
	}
	interval := sweepInterval
	if p.proven < p.last {
		interval = askInterval
	}
	sweep := time.NewTimer(interval)
	defer sweep.Stop()
	select {
	case <-ctx.Done():
		return true, nil
	case <-draining:
		if p.proven < p.last {
			return false, p.sync(ctx)
		}
		return true, nil
	case <-more:
		return false, nil
	case <-sweep.C:
		return false, p.sync(ctx)
	}
}

// repair handles an event that no other node was seen to publish: after the
// grace, this publisher does.
func (p *publisher) repair(ctx context.Context, position int64) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(grace):
	}
	p.forced = max(p.forced, position)
	return p.sync(ctx)
}

// publish sends events that follow p.last. It asks for an answer when the last
// answer is older than askInterval, or when a whole chain has none.
func (p *publisher) publish(ctx context.Context, events []*Event) error {
	events = events[:min(int64(len(events)), p.proven+chainLength-p.last)]
	p.sent = time.Now()
	upTo := events[len(events)-1].Position
	p.metrics.mirrored.Add(float64(len(events)))
	if time.Since(p.asked) < askInterval && upTo < p.proven+chainLength {
		if err := p.mirror.publish(p.recent.partition, events); err != nil {
			return err
		}
		p.last = upTo
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := p.mirror.publish(p.recent.partition, events[:len(events)-1]); err != nil {
		return err
	}
	err := p.mirror.prove(ctx, p.recent.partition, events[len(events)-1])
	p.asked = time.Now()
	if err == nil {
		p.last, p.proven = upTo, upTo
		return nil
	}
	if !errors.Is(err, errWrongSequence) {
		return err
	}
	before := p.proven
	if err := p.sync(ctx); err != nil {
		return err
	}
	if p.last < upTo {
		// An event that was counted as done before may be what is missing.
		p.forced = max(p.forced, upTo)
	}
	if p.last != before {
		return nil
	}
	return p.publishAlone(ctx, p.last+1)
}

// publishAlone sends the one event that the mirror must take next. A chain
// hides its first error behind refusals of the rest; this reveals it.
func (p *publisher) publishAlone(ctx context.Context, position int64) error {
	events, err := p.reader.readPartition(ctx, p.recent.partition, position-1, position, 1)
	if err != nil || len(events) == 0 {
		return err
	}
	if err := p.mirror.prove(ctx, p.recent.partition, events[0]); err != nil {
		return err
	}
	p.last, p.proven = position, position
	return nil
}

// sync asks the mirror for its last position, and creates the JetStream stream
// if it is lost.
func (p *publisher) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	partition := p.recent.partition
	last, ok, err := p.mirror.lastSequence(ctx, partition)
	if err != nil {
		return err
	}
	tip := p.recent.lastSeen()
	if !ok {
		first := max(1, tip-mirrorRefill+1)
		if err := p.mirror.create(ctx, partition, first); err != nil {
			return err
		}
		if last, _, err = p.mirror.lastSequence(ctx, partition); err != nil {
			return err
		}
	}
	if last > tip || !p.synced {
		if err := p.mirror.verify(ctx, partition, last); err != nil {
			return err
		}
	}
	if last < p.last || !p.synced {
		// The mirror lost its tail, or this is the start: there may be no other
		// node to publish what it lacks.
		p.forced = max(p.forced, tip)
	}
	p.last, p.proven, p.synced, p.asked = last, last, true, time.Now()
	return nil
}
