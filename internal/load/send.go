package load

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"ping/domain"
)

// sending is the phase in which messages are sent.
type sending struct {
	api      *api
	counts   *counts
	faults   *faults
	clock    clock
	mix      *mixing // nil: nothing but sends
	run      string  // part of every Idempotency-Key
	plan     *plan
	cfg      Config
	stealth  *stealths  // nil: there are none
	storm    *storm     // nil: there is none
	latency  *histogram // of acknowledgements
	lateness *histogram // of starts behind the schedule of an open loop

	taken   atomic.Int64 // messages begun
	acked   atomic.Int64
	refused atomic.Int64
	unknown atomic.Int64
	begun   atomic.Int64 // when the first message was sent; 0 before
	ended   atomic.Int64 // when the last acknowledgement came
	// stop ends the sending when the first message had to be given up: the
	// server is gone, and each of the others would wait as long.
	stop     context.CancelFunc
	stopOnce sync.Once
	gaveUp   error
}

// clock counts nanoseconds of the run.
type clock struct{ zero time.Time }

func (c clock) now() int64 { return int64(time.Since(c.zero)) }

// mayStart reports whether one more message is to be sent.
func (s *sending) mayStart(ctx context.Context, until int64) bool {
	if ctx.Err() != nil || until > 0 && s.clock.now() >= until {
		return false
	}
	return s.taken.Add(1) <= s.plan.rounds()
}

// outcome is what became of something that was asked of the server.
type outcome int

const (
	done    outcome = iota // acknowledged
	refused                // by a definite answer
	unknown                // it may have happened
)

// send sends one message and keeps what became of it. start is the time that
// its latency counts from. The ack is whole when the message was acknowledged.
func (s *sending) send(ctx context.Context, c *courier, l *line, author *user, body string, replyTo domain.ID, key string, start int64) (a ack, o outcome) {
	c.begin(fasthttp.MethodPost, l.conversation.path)
	c.req.Header.SetContentType("application/json")
	c.req.Header.Set("Idempotency-Key", key)
	c.body = appendJSONString(append(c.body, `{"body":`...), body)
	if !replyTo.IsZero() {
		c.body = append(c.body, `,"reply_to":"`...)
		c.body, _ = replyTo.AppendText(c.body)
		c.body = append(c.body, '"')
	}
	c.body = append(c.body, '}')

	a.digest = digest(author.id, body, replyTo)
	err := c.do(ctx, author, true)
	if err == nil {
		var got answer
		if got, err = readAnswer(c.res.Body()); err == nil {
			a.id, a.seq = got.id, got.seq
			s.acknowledged(c, l, a, start)
			return a, done
		}
		s.counts.failed("unreadable answer to a send")
	}
	if o = s.failed(err, author, "message", l.conversation); o == unknown {
		l.conversation.undecided(a.digest)
	}
	return a, o
}

// failed counts what was not acknowledged, and ends the sending when it had to
// be given up. All that is generated is allowed and possible, so that a refusal
// is wrong; of a corpus the server decides what it takes.
func (s *sending) failed(err error, by *user, what string, c *conversation) outcome {
	var p *problem
	if errors.As(err, &p) && !p.again() && s.cfg.Corpus == "" {
		s.faults.report(broken, "user %d: a %s in %s was refused: %v", by.number, what, c.idText, p)
	}
	if p != nil && p.definite() {
		s.refused.Add(1)
		return refused
	}
	s.unknown.Add(1)
	if errors.Is(err, errGaveUp) {
		s.stopOnce.Do(func() {
			s.gaveUp = err
			s.stop()
		})
	}
	return unknown
}

func (s *sending) acknowledged(c *courier, l *line, a ack, start int64) {
	now := s.clock.now()
	s.latency.record(now - start)
	if s.storm != nil {
		s.storm.acknowledged(start, now)
	}
	raise(&s.ended, now)
	s.acked.Add(1)
	l.conversation.heard(c)
	l.acknowledged(a, start)
}

// all sends everything that is planned and returns when every send has ended.
// ctx ends the run; the duration of the configuration only ends the sending.
func (s *sending) all(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	start := s.clock.now()
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
	for _, from := range s.plan.senders {
		for range from.window {
			wg.Go(func() {
				c := s.api.courier(s.counts)
				var text []byte
				for s.mayStart(ctx, until) {
					text = s.next(ctx, c, from, text, s.clock.now())
				}
			})
		}
	}
}

// next sends a sender's next generated message, or does the next action of the
// mix. text is a buffer.
func (s *sending) next(ctx context.Context, c *courier, from *sender, text []byte, start int64) []byte {
	if s.mix != nil {
		return s.mix.next(ctx, c, from, text, start)
	}
	n := from.sent.Add(1)
	l := from.lines[int(n-1)%len(from.lines)]
	text = appendBody(text[:0], from.number, n, s.cfg.BodySize)
	if s.stealth != nil && n%stealthEvery == 0 {
		s.stealth.post(ctx, c, l, from, string(text), n, start)
		return text
	}
	s.send(ctx, c, l, from.user, string(text), domain.ID{}, s.key(from.number, n), start)
	return text
}

// key is unique to an action of a run, and the same for all its attempts.
func (s *sending) key(sender int, n int64) string {
	b := append(make([]byte, 0, 48), s.run...)
	b = strconv.AppendInt(append(b, '-'), int64(sender), 10)
	b = strconv.AppendInt(append(b, '-'), n, 10)
	return string(b)
}

// minBody is the least length of generated bodies: the greatest numbers that
// make them differ fit in.
const minBody = 24

// appendBody makes a body of size bytes that no other message of a run has.
func appendBody(b []byte, sender int, n int64, size int) []byte {
	const filler = "the quick brown fox jumps over the lazy dog "
	b = strconv.AppendInt(b, int64(sender), 36)
	b = append(b, ' ')
	b = strconv.AppendInt(b, n, 36)
	b = append(b, ' ')
	for len(b) < size-1 {
		b = append(b, filler[:min(len(filler), size-1-len(b))]...)
	}
	return append(b, '.') // trailing white space would be hard to see
}

// once sends one message of each sender.
func (s *sending) once(ctx context.Context, wg *sync.WaitGroup) {
	var next atomic.Int64
	for range maxConnecting {
		wg.Go(func() {
			c := s.api.courier(s.counts)
			var text []byte
			for i := int(next.Add(1)) - 1; i < len(s.plan.senders) && s.mayStart(ctx, 0); i = int(next.Add(1)) - 1 {
				text = s.next(ctx, c, s.plan.senders[i], text, s.clock.now())
			}
		})
	}
}

// corpus sends conversations, --senders of them at a time.
func (s *sending) corpus(ctx context.Context, wg *sync.WaitGroup, until int64) {
	queue := make(chan *sender, len(s.plan.senders))
	for _, from := range s.plan.senders {
		queue <- from
	}
	close(queue)
	for range min(s.cfg.Senders, len(s.plan.senders)) {
		wg.Go(func() {
			c := s.api.courier(s.counts)
			for from := range queue {
				s.script(ctx, c, from, until)
			}
		})
	}
}

// script sends a conversation in its order. A reply names the id that the
// server gave to its parent; where the parent was refused, it names none.
func (s *sending) script(ctx context.Context, c *courier, from *sender, until int64) {
	ids := make([]domain.ID, len(from.script))
	for i, u := range from.script {
		if !s.mayStart(ctx, until) {
			return
		}
		var replyTo domain.ID
		if u.parent >= 0 {
			replyTo = ids[u.parent]
		}
		if a, o := s.send(ctx, c, from.lines[0], u.author, u.body, replyTo, s.key(from.number, int64(i)), s.clock.now()); o == done {
			ids[i] = a.id
		}
	}
}
