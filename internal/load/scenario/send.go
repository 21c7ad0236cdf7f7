package scenario

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"ping/domain"
	"ping/internal/load/measure"
	"ping/internal/load/oracle"
	"ping/internal/load/wire"
	"ping/internal/load/workload"
)

// sending is the phase in which messages are sent.
type sending struct {
	*run
	mix      *mix               // nil: only messages are sent
	stealth  *stealth           // nil: there are no stealth messages
	latency  *measure.Histogram // of acknowledgements
	lateness *measure.Histogram // of starts behind the schedule of an open loop

	taken   atomic.Int64 // messages begun
	acked   atomic.Int64
	refused atomic.Int64
	unknown atomic.Int64
	begun   atomic.Int64 // when the first message was sent; 0 before
	ended   atomic.Int64 // when the last acknowledgement arrived
	// stop ends the sending when the first message had to be given up: the server
	// is down, and each other message would wait as long.
	stop     context.CancelFunc
	stopOnce sync.Once
	gaveUp   error
}

func newSending(r *run) *sending {
	s := &sending{run: r, latency: measure.NewHistogram(), lateness: measure.NewHistogram()}
	if r.cfg.Stealth {
		s.stealth = newStealth(s)
	}
	if r.cfg.mixed() {
		s.mix = newMix(s)
	}
	return s
}

// mayStart reports whether one more message is to be sent.
func (s *sending) mayStart(ctx context.Context, until int64) bool {
	if ctx.Err() != nil || until > 0 && s.clock.Now() >= until {
		return false
	}
	return s.taken.Add(1) <= s.plan.Rounds()
}

// send sends one message and keeps what became of it. start is the time that its
// latency counts from. The ack is complete when the message was acknowledged.
func (s *sending) send(ctx context.Context, c *wire.Caller, l *workload.Line, author *workload.User, body string, replyTo domain.ID, key string, start int64) (a oracle.Ack, o oracle.Outcome) {
	g := s.groups[l.Conversation.Number]
	c.Begin(fasthttp.MethodPost, g.path+"/messages")
	c.SetKey(key)
	c.SetMessage(body, replyTo)

	a.Digest = oracle.Digest(author.ID, body, replyTo)
	err := c.Do(ctx, s.accounts[author.Number])
	if err == nil {
		if a.ID, a.Seq, err = c.Message(); err == nil {
			s.acknowledged(start)
			g.answered(c)
			g.record.Acknowledged(l.Number, a, start)
			return a, oracle.Done
		}
		s.counts.Failed("unreadable answer to a send")
	}
	if o = s.failed(err, author, "message", g); o == oracle.Unknown {
		g.record.Undecided(a.Digest)
	}
	return a, o
}

// acknowledged counts and measures an acknowledged message.
func (s *sending) acknowledged(start int64) {
	now := s.clock.Now()
	s.latency.Record(now - start)
	if s.cfg.Storm {
		s.received.storm.acknowledged(start, now)
	}
	raise(&s.ended, now)
	s.acked.Add(1)
}

// failed counts what was not acknowledged, and ends the sending when it had to
// be given up. Everything generated is allowed and possible, so a refusal of it
// is a fault; of a corpus the server decides what it accepts.
func (s *sending) failed(err error, by *workload.User, what string, g *group) oracle.Outcome {
	var p *wire.Problem
	if errors.As(err, &p) && !p.Retryable() && s.cfg.Corpus == "" {
		s.faults.Report(oracle.Broken, "user %d: a %s in %s was refused: %v", by.Number, what, g.ID, p)
	}
	if p != nil && p.Definite() {
		s.refused.Add(1)
		return oracle.Refused
	}
	s.unknown.Add(1)
	if errors.Is(err, wire.ErrGaveUp) {
		s.stopOnce.Do(func() {
			s.gaveUp = err
			s.stop()
		})
	}
	return oracle.Unknown
}

// all sends everything that is planned and returns when every send has ended.
// ctx ends the run; the duration of the configuration only ends the sending.
func (s *sending) all(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	start := s.clock.Now()
	s.begun.Store(start)
	until := int64(0)
	if s.cfg.Duration > 0 {
		until = start + int64(s.cfg.Duration)
	}
	var wg sync.WaitGroup
	switch {
	case s.cfg.Idle > 0:
		s.once(ctx, &wg)
	case s.cfg.Corpus != "":
		s.corpus(ctx, &wg, until)
	case s.cfg.Rate > 0:
		s.openLoop(ctx, &wg, until)
	default:
		s.closedLoop(ctx, &wg, until)
	}
	wg.Wait()
	if s.mix != nil {
		s.mix.markers.Wait()
	}
}

// closedLoop starts, for each sender, as many goroutines as its window.
func (s *sending) closedLoop(ctx context.Context, wg *sync.WaitGroup, until int64) {
	for _, from := range s.plan.Senders {
		for range from.Window {
			wg.Go(func() {
				c := s.api.Caller(s.counts)
				var text []byte
				for s.mayStart(ctx, until) {
					text = s.next(ctx, c, from, text, s.clock.Now())
				}
			})
		}
	}
}

// openLoop sends on a fixed schedule. A message is given to a sender in turn,
// waits there for a place in the sender's window, and its latency counts from
// when it was due.
func (s *sending) openLoop(ctx context.Context, wg *sync.WaitGroup, until int64) {
	dues := make([]chan int64, len(s.plan.Senders))
	for i, from := range s.plan.Senders {
		// A sender that lags behind must not delay the schedule of others.
		dues[i] = make(chan int64, 1024)
		for range from.Window {
			wg.Go(func() {
				c := s.api.Caller(s.counts)
				var text []byte
				for due := range dues[i] {
					if ctx.Err() != nil {
						continue
					}
					s.lateness.Record(s.clock.Now() - due)
					text = s.next(ctx, c, from, text, due)
				}
			})
		}
	}
	wg.Go(func() {
		schedule := workload.Schedule{Clock: s.clock, Start: s.begun.Load(), Rate: s.cfg.Rate, Until: until}
		schedule.Run(ctx, func(n int, due int64) bool {
			if s.taken.Add(1) > s.plan.Rounds() {
				return false
			}
			select {
			case dues[n%len(dues)] <- due:
				return true
			case <-ctx.Done():
				return false
			}
		})
		for _, due := range dues {
			close(due)
		}
	})
}

// next sends a sender's next generated message, or does the next action of the
// mix. text is a buffer.
func (s *sending) next(ctx context.Context, c *wire.Caller, from *workload.Sender, text []byte, start int64) []byte {
	if s.mix != nil {
		return s.mix.next(ctx, c, from, text, start)
	}
	n, l := from.Next()
	text = workload.AppendBody(text[:0], from.Number, n, s.cfg.BodySize)
	if s.stealth != nil && n%stealthEvery == 0 {
		s.stealth.post(ctx, c, from, s.groups[l.Conversation.Number], string(text), n, start)
		return text
	}
	s.send(ctx, c, l, from.User, string(text), domain.ID{}, s.key(from.Number, n), start)
	return text
}

// key is unique to an action of a run, and the same for all its attempts.
func (s *sending) key(sender int, n int64) string {
	b := append(make([]byte, 0, 48), s.id...)
	b = strconv.AppendInt(append(b, '-'), int64(sender), 10)
	b = strconv.AppendInt(append(b, '-'), n, 10)
	return string(b)
}

// once sends one message per sender.
func (s *sending) once(ctx context.Context, wg *sync.WaitGroup) {
	var next atomic.Int64
	for range wire.MaxConnecting {
		wg.Go(func() {
			c := s.api.Caller(s.counts)
			var text []byte
			for i := int(next.Add(1)) - 1; i < len(s.plan.Senders) && s.mayStart(ctx, 0); i = int(next.Add(1)) - 1 {
				text = s.next(ctx, c, s.plan.Senders[i], text, s.clock.Now())
			}
		})
	}
}

// corpus sends conversations, as many at a time as there are senders.
func (s *sending) corpus(ctx context.Context, wg *sync.WaitGroup, until int64) {
	queue := make(chan *workload.Sender, len(s.plan.Senders))
	for _, from := range s.plan.Senders {
		queue <- from
	}
	close(queue)
	for range min(s.cfg.Senders, len(s.plan.Senders)) {
		wg.Go(func() {
			c := s.api.Caller(s.counts)
			for from := range queue {
				s.script(ctx, c, from, until)
			}
		})
	}
}

// script sends a conversation in its order. A reply names the id that the server
// gave to its parent; where the parent was refused, it names none.
func (s *sending) script(ctx context.Context, c *wire.Caller, from *workload.Sender, until int64) {
	ids := make([]domain.ID, len(from.Script))
	for i, u := range from.Script {
		if !s.mayStart(ctx, until) {
			return
		}
		var replyTo domain.ID
		if u.Parent >= 0 {
			replyTo = ids[u.Parent]
		}
		if a, o := s.send(ctx, c, from.Lines[0], u.Author, u.Body, replyTo, s.key(from.Number, int64(i)), s.clock.Now()); o == oracle.Done {
			ids[i] = a.ID
		}
	}
}
