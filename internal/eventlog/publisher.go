package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pump keeps one partition of the mirror equal to the log. Every node runs one
// a partition; nobody leads. A pump publishes what its own node appended, takes
// what it heard others publish as done, and makes good from Postgres whatever
// the mirror turns out to lack. The mirror refuses disorder and duplicates, so
// pumps that do the same work do no harm.
type pump struct {
	log  *Log
	feed *feed

	last   int64     // the mirror's last position, as far as is known here
	proven int64     // up to here that is known by an answer, beyond it hoped
	asked  time.Time // when the mirror was last asked
	sent   time.Time // when this pump last published
	forced int64     // up to here this pump publishes, whoever appended
	synced bool      // the mirror has answered since the last failure
}

const (
	// chainLength bounds the messages published without an answer.
	chainLength = 256
	// askInterval is how long a busy pump publishes without asking for an answer:
	// answers cost more than messages.
	askInterval = 50 * time.Millisecond
	// publishInterval is the least time between a busy pump's publishes: what
	// comes in meanwhile goes out in one write. An idle pump publishes at once.
	publishInterval = 4 * time.Millisecond
	// grace is how long an event may be on its way from another node before it
	// counts as missing.
	grace = 5 * time.Millisecond
	// sweepInterval is how often an idle pump looks whether the mirror still
	// holds what it should.
	sweepInterval = 500 * time.Millisecond
	// requestTimeout bounds one question to JetStream.
	requestTimeout = 5 * time.Second
)

// run works until ctx ends, or until draining is closed and there is nothing
// left to publish. An error says that log and mirror do not belong together.
func (p *pump) run(ctx context.Context, draining <-chan struct{}) error {
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
		p.log.metrics.mirrorErrors.Inc()
		p.log.logger.Debug("mirror is behind", "partition", p.feed.partition, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-draining:
			return nil // what is left, other nodes or the next start will publish
		case <-time.After(pause):
			pause = min(2*pause, 2*time.Second)
		}
	}
}

// step publishes one chain, or waits for something to publish.
func (p *pump) step(ctx context.Context, draining <-chan struct{}) (done bool, err error) {
	if !p.synced {
		if err := p.sync(ctx); err != nil {
			return false, err
		}
	}
	if err := p.pace(ctx); err != nil {
		return true, nil
	}
	events, tip, cold, more := p.feed.after(p.last, chainLength)
	switch {
	case cold, len(events) > 0 && !p.log.trusts():
		p.forced = max(p.forced, tip)
		if events, err = p.log.readPartition(ctx, p.feed.partition, p.last, tip, chainLength); err != nil {
			return false, err
		}
		if len(events) == 0 || events[0].Position != p.last+1 {
			return false, fmt.Errorf("log has no event at %s", At{p.feed.partition, p.last + 1})
		}
	case len(events) == 0:
		return p.idle(ctx, draining, more)
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
	if events[0].origin == heard {
		p.last = events[0].Position // proven by the next answer
		return false, nil
	}
	return false, p.repair(ctx, events[0].Position)
}

// pace waits while the last publish was only just now.
func (p *pump) pace(ctx context.Context) error {
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

// idle waits for events, and looks at the mirror now and then.
func (p *pump) idle(ctx context.Context, draining, more <-chan struct{}) (done bool, err error) {
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

// repair handles an event that nobody was heard to publish: after the grace,
// this pump does.
func (p *pump) repair(ctx context.Context, position int64) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(grace):
	}
	p.forced = max(p.forced, position)
	return p.sync(ctx)
}

// publish sends events that follow p.last. It asks for an answer when the last
// was long ago, or when a whole chain is without one.
func (p *pump) publish(ctx context.Context, events []*Event) error {
	events = events[:min(int64(len(events)), p.proven+chainLength-p.last)]
	p.sent = time.Now()
	upTo := events[len(events)-1].Position
	p.log.metrics.mirrored.Add(float64(len(events)))
	if time.Since(p.asked) < askInterval && upTo < p.proven+chainLength {
		if err := p.log.mirror.publish(p.feed.partition, events); err != nil {
			return err
		}
		p.last = upTo
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := p.log.mirror.publish(p.feed.partition, events[:len(events)-1]); err != nil {
		return err
	}
	err := p.log.mirror.prove(ctx, p.feed.partition, events[len(events)-1])
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
		// What was taken as done before may be what is missing.
		p.forced = max(p.forced, upTo)
	}
	if p.last != before {
		return nil
	}
	return p.publishAlone(ctx, p.last+1)
}

// publishAlone sends the one event that the mirror must take next. A chain
// hides its first error behind refusals of the rest; this shows it.
func (p *pump) publishAlone(ctx context.Context, position int64) error {
	events, err := p.log.readPartition(ctx, p.feed.partition, position-1, position, 1)
	if err != nil || len(events) == 0 {
		return err
	}
	if err := p.log.mirror.prove(ctx, p.feed.partition, events[0]); err != nil {
		return err
	}
	p.last, p.proven = position, position
	return nil
}

// sync asks the mirror where it stands, creating it where it is lost.
func (p *pump) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	partition := p.feed.partition
	last, ok, err := p.log.mirror.lastSequence(ctx, partition)
	if err != nil {
		return err
	}
	tip := p.feed.seen()
	if !ok {
		first := max(1, tip-mirrorRefill+1)
		if err := p.log.mirror.create(ctx, partition, first); err != nil {
			return err
		}
		if last, _, err = p.log.mirror.lastSequence(ctx, partition); err != nil {
			return err
		}
	}
	if last > tip || !p.synced {
		if err := p.log.verifyMirror(ctx, partition, last); err != nil {
			return err
		}
	}
	if last < p.last || !p.synced {
		// The mirror lost its tail, or this is the start: nobody else may be
		// there to publish what it lacks.
		p.forced = max(p.forced, tip)
	}
	p.last, p.proven, p.synced, p.asked = last, last, true, time.Now()
	return nil
}

// verifyMirror makes sure that the mirror's last event of a partition is the
// log's event at that position. It must have been read before Postgres is
// asked: the log only grows.
func (l *Log) verifyMirror(ctx context.Context, partition int, last int64) error {
	if last == 0 {
		return nil
	}
	events, err := l.readPartition(ctx, partition, last-1, last, 1)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return fmt.Errorf("%w: the mirror of partition %d is at %d, the log is not", ErrMirrorAhead, partition, last)
	}
	id, err := l.mirror.eventIDAt(ctx, partition, last)
	if err != nil {
		return err
	}
	if !id.IsZero() && id != events[0].ID {
		return fmt.Errorf("%w: they hold different events at %s", ErrMirrorAhead, At{partition, last})
	}
	return nil
}
