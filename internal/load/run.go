package load

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"ping/internal/wait"
)

// ErrFailed is returned by Run when the verdict is not "passed".
var ErrFailed = errors.New("the verdict is not passed")

// run is one run of the tool, phase by phase.
type run struct {
	cfg      Config
	id       string
	plan     *plan
	api      *api
	counts   *counts
	clock    clock
	faults   *faults
	sockets  *sockets
	sending  *sending
	servers  *processes
	progress *progress
	figures  Figures
	toolCPU  time.Duration // of this process before the sending
}

// Run does what cfg says and writes progress and figures to out. It returns
// ErrFailed, wrapped, unless everything that was acknowledged is there once
// and in order; the figures are valid then too. When ctx ends during the
// sending, the figures of what was done so far are written, without verdict.
// Errors before the sending are returned as they are.
func Run(ctx context.Context, cfg Config, out io.Writer) (Figures, error) {
	if err := cfg.Check(); err != nil {
		return Figures{}, err
	}
	p, err := planFor(cfg)
	if err != nil {
		return Figures{}, err
	}
	if err := roomFor(p.sockets()); err != nil {
		return Figures{}, err
	}
	if cfg.Mix == mixRealistic {
		for _, c := range p.conversations {
			c.ledger = newLedger(c.members)
		}
	}
	r := &run{cfg: cfg, id: newRunID(), plan: p, counts: newCounts(), clock: clock{time.Now()}, faults: &faults{}, progress: newProgress(out)}
	// Beside the senders, users are set up, credentials renewed and gaps read.
	r.servers = newProcesses(cfg)
	r.api = newAPI(cfg.URLs, cfg.Senders*cfg.Window+len(p.users)+64, cfg.RetryFor)
	defer r.api.close()
	defer context.AfterFunc(ctx, r.api.close)()
	if err := r.prepare(ctx); err != nil {
		return Figures{}, err
	}
	defer r.sockets.stop()
	if cfg.Idle > 0 {
		r.idle(ctx)
	}
	r.send(ctx)
	r.judge(ctx)
	r.figures.Print(out)
	if cfg.JSON != "" {
		if err := r.figures.writeJSON(cfg.JSON); err != nil {
			return r.figures, err
		}
	}
	if r.figures.Verdict != passed {
		return r.figures, fmt.Errorf("%w: %s", ErrFailed, r.figures.Verdict)
	}
	return r.figures, nil
}

func planFor(cfg Config) (*plan, error) {
	if cfg.Idle > 0 {
		return idlePlan(cfg), nil
	}
	if cfg.Corpus == "" {
		return generated(cfg), nil
	}
	p, err := corpusPlan(cfg)
	if err == nil && cfg.Messages > 0 {
		p.messages = min(p.messages, cfg.Messages)
	}
	return p, err
}

// newRunID keeps the users and keys of runs apart.
func newRunID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// prepare registers users, creates groups and opens sockets.
func (r *run) prepare(ctx context.Context) error {
	p := r.plan
	r.figures = Figures{Run: r.id, Users: len(p.users), Groups: len(p.conversations), Sockets: p.sockets(), Unlinked: p.unlinked}
	err := r.phase("registering users", len(p.users), func(done *atomic.Int64) error { return registerAll(ctx, r.api, p, r.id, done) })
	if err == nil && r.cfg.Mix == mixRealistic {
		err = r.phase("claiming handles", len(p.users), func(done *atomic.Int64) error { return claimAll(ctx, r.api, p, r.id, done) })
	}
	if err == nil {
		err = r.phase("creating groups", len(p.conversations), func(done *atomic.Int64) error { return createAll(ctx, r.api, p, r.id, done) })
	}
	if err != nil {
		return err
	}
	if r.sockets, err = newSockets(ctx, r.api, r.counts, r.clock, r.faults, p); err != nil {
		return fmt.Errorf("open sockets: %w", err)
	}
	r.sockets.chooseSlow(p, r.cfg)
	if r.cfg.Idle > 0 {
		r.expectIdle(ctx)
	}
	var opened atomic.Int64
	end := r.progress.phase("opening sockets", int64(p.sockets()), opened.Load, nil)
	began := time.Now()
	opening, cancel := context.WithTimeout(ctx, r.cfg.RetryFor)
	defer cancel()
	err = r.sockets.open(opening, func() { opened.Add(1) })
	end()
	if err != nil {
		r.sockets.stop()
		return fmt.Errorf("open sockets: %d of %d are ready: %w%s", opened.Load(), p.sockets(), err, r.counts.summary())
	}
	if f := r.figures.Idle; f != nil {
		f.ConnectsPerSecond = float64(p.sockets()) / time.Since(began).Seconds()
	}
	return nil
}

// phase does something total times, shown as long as it takes.
func (r *run) phase(name string, total int, do func(done *atomic.Int64) error) error {
	var done atomic.Int64
	defer r.progress.phase(name, int64(total), done.Load, nil)()
	if err := do(&done); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// send sends everything, with the sockets cut and the credentials renewed
// meanwhile, and waits until the sockets have caught up.
func (r *run) send(ctx context.Context) {
	r.servers.begin()
	r.toolCPU = ownCPU()
	r.sockets.reads.Store(0) // so far they opened the sockets
	r.sockets.events.Store(0)
	r.sending = &sending{
		api: r.api, counts: r.counts, faults: r.faults, clock: r.clock, run: r.id, plan: r.plan, cfg: r.cfg,
		latency: newHistogram(), lateness: newHistogram(),
	}
	if r.cfg.Stealth {
		r.sending.stealth = newStealths(r.sending, r.sockets)
		r.sockets.mu.Lock()
		r.sockets.stealths = r.sending.stealth
		r.sockets.mu.Unlock()
	}
	if r.cfg.Storm {
		r.sending.storm = &r.sockets.storm
	}
	if r.cfg.Mix == mixRealistic {
		r.sending.mix = newMixing(r.sending, r.faults)
	}
	background, end := context.WithCancel(ctx)
	defer end()
	done := make(chan struct{})
	var meanwhile, cutting sync.WaitGroup
	meanwhile.Go(func() { keepCredentials(background, r.api, r.plan.users) })
	meanwhile.Go(func() { r.keepSampling(background) })
	cutting.Go(func() { r.sockets.cutAll(background, r.cfg.Disconnects, r.done, done) })
	if r.cfg.Slow > 0 {
		cutting.Go(func() { r.sockets.restSlow(background, r.done, done) })
	}
	if r.cfg.Storm {
		cutting.Go(func() { r.sockets.cutAtOnce(background, r.done, done, min(stormMost, r.cfg.RetryFor)) })
	}

	show := r.progress.phase("sending", 100, func() int64 { return int64(r.done() * 100) }, r.rates())
	r.sending.all(ctx)
	close(done)
	cutting.Wait()
	show()
	r.settle(ctx, func(c *conversation) int64 { return c.lastSeq.Load() })
	if s := r.sending.stealth; s != nil {
		s.settle(ctx)
		s.judgeLists(ctx)
		r.figures.Stealth = s.judge()
	}
	if r.figures.Idle != nil {
		r.figures.Idle.Open = r.sockets.connected.Load()
		r.sockets.judgeIdle()
	}
	end()
	meanwhile.Wait()
	r.measure()
}

// done is how much of the sending is done, from 0 to 1.
func (r *run) done() float64 {
	part := 0.0
	if n := r.plan.messages; n > 0 {
		part = float64(r.sending.taken.Load()) / float64(n)
	}
	if begun := r.sending.begun.Load(); r.cfg.Duration > 0 && begun > 0 {
		part = max(part, float64(r.clock.now()-begun)/float64(r.cfg.Duration))
	}
	return min(part, 1)
}

// rates tells messages and deliveries a second since it was last asked.
func (r *run) rates() func() string {
	then, acked, delivered := r.clock.now(), int64(0), int64(0)
	return func() string {
		now, a, d := r.clock.now(), r.sending.acked.Load(), r.sockets.deliveries.Load()
		seconds := max(float64(now-then)/1e9, 1e-3)
		line := fmt.Sprintf(" %%, %s accepted, %s/s, %s deliveries/s", count(a), count(int64(float64(a-acked)/seconds)), count(int64(float64(d-delivered)/seconds)))
		then, acked, delivered = now, a, d
		return line
	}
}

// sampleEvery is how often processes are looked at: those that end between
// two samples lose what they did since the last one.
const sampleEvery = 2 * time.Second

func (r *run) keepSampling(ctx context.Context) {
	for wait.Sleep(ctx, sampleEvery) {
		r.servers.sample()
	}
}

// settle waits until every socket has received what head says of each of its
// conversations. It gives up when nothing came in for the time that the
// configuration allows: what is missing then is lost.
func (r *run) settle(ctx context.Context, head func(*conversation) int64) {
	var total int64
	for _, c := range r.plan.conversations {
		total += int64(len(c.subscriptions))
	}
	behind := func() (n int64) {
		for _, c := range r.plan.conversations {
			h := head(c)
			for _, s := range c.subscriptions {
				if s.last.Load() < h && !s.left.Load() {
					n++
				}
			}
		}
		return n
	}
	if behind() == 0 {
		return
	}
	defer r.progress.phase("sockets catching up", total, func() int64 { return total - behind() }, nil)()
	events, since := r.sockets.events.Load(), time.Now()
	for behind() > 0 && time.Since(since) < r.cfg.Settle {
		if !wait.Sleep(ctx, 10*time.Millisecond) {
			return
		}
		if n := r.sockets.events.Load(); n != events {
			events, since = n, time.Now()
		}
	}
}

// judge reads history back and reaches the verdict.
func (r *run) judge(ctx context.Context) {
	f := &r.figures
	var read atomic.Int64
	end := r.progress.phase("reading history back", f.Accepted, read.Load, nil)
	histories, err := readBack(ctx, r.api, r.plan, r.faults, &read)
	end()
	var accounts map[*user]*account
	if err == nil && r.sending.mix != nil {
		var asked atomic.Int64
		end = r.progress.phase("reading inboxes back", int64(len(r.plan.users)), asked.Load, nil)
		accounts, err = readAccounts(ctx, r.api, r.plan, &asked)
		end()
	}
	if err == nil {
		// Messages whose outcome is not known may be beyond the last acknowledged.
		r.settle(ctx, func(c *conversation) int64 {
			if h := histories[c]; len(h) > 0 {
				return max(h[len(h)-1].seq, c.head)
			}
			return c.head
		})
	}
	r.sockets.stop()
	f.History, f.Retries = read.Load(), r.counts.retries.Load()
	f.Cuts, f.Reconnects, f.Gaps = r.sockets.cuts.Load(), r.sockets.reconnects.Load(), r.sockets.gaps.Load()
	f.Errors = r.counts.all()
	switch {
	case ctx.Err() != nil:
		f.Verdict = "none: interrupted"
	case err != nil:
		f.Verdict = "none: " + err.Error()
	default:
		judge(r.plan, histories, r.faults)
		r.sockets.judgeUnprovoked()
		if accounts != nil {
			judgeAccounts(r.plan, histories, accounts, r.faults)
		}
		if r.sending.gaveUp != nil {
			f.Verdict = "none: the sending was cut short: " + r.sending.gaveUp.Error()
		}
	}
	f.judged(r.faults)
}
