package scenario

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

	"ping/internal/load/measure"
	"ping/internal/load/oracle"
	"ping/internal/load/wire"
	"ping/internal/load/workload"
	"ping/internal/wait"
)

var (
	// ErrFailed is returned by Run when the verdict is not "passed".
	ErrFailed = errors.New("the verdict is not passed")
	// ErrInterrupted is returned by Run when its context ends before the verdict.
	ErrInterrupted = errors.New("interrupted: nothing was verified")
)

// run is one run of the tool, phase by phase.
type run struct {
	cfg      Config
	id       string
	plan     *workload.Plan
	clock    workload.Clock
	api      *wire.API
	counts   *wire.Counts
	accounts []*wire.Account // by user number
	groups   []*group        // by conversation number
	faults   *oracle.Faults
	record   *oracle.Record
	sockets  *wire.Sockets
	received *received
	sending  *sending
	servers  *measure.Processes
	progress *measure.Progress
	figures  measure.Figures
	toolCPU  time.Duration // of this process before the sending
}

// Run does what cfg says and writes progress and figures to out. It returns
// ErrFailed, wrapped, unless everything that was acknowledged is there once and
// in order; the figures are valid then too. When ctx ends first, it returns
// ErrInterrupted and writes no figures. Errors before the sending are returned
// as they are.
func Run(ctx context.Context, cfg Config, out io.Writer) (measure.Figures, error) {
	if err := cfg.Check(); err != nil {
		return measure.Figures{}, err
	}
	p, err := cfg.plan()
	if err != nil {
		return measure.Figures{}, err
	}
	if err := checkOpenFiles(p.Sockets()); err != nil {
		return measure.Figures{}, err
	}
	r := newRun(cfg, p, out)
	defer r.api.Close()
	defer context.AfterFunc(ctx, r.api.Close)()
	if err := r.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			err = ErrInterrupted
		}
		return measure.Figures{}, err
	}
	defer r.sockets.Stop()
	if cfg.Idle > 0 {
		r.idle(ctx)
	}
	r.send(ctx)
	r.judge(ctx)
	if ctx.Err() != nil {
		r.figures.Verdict = "none: interrupted"
		return r.figures, ErrInterrupted
	}
	r.figures.Print(out)
	if cfg.JSON != "" {
		if err := r.figures.WriteJSON(cfg.JSON); err != nil {
			return r.figures, err
		}
	}
	if r.figures.Verdict != measure.Passed {
		return r.figures, fmt.Errorf("%w: %s", ErrFailed, r.figures.Verdict)
	}
	return r.figures, nil
}

func newRun(cfg Config, p *workload.Plan, out io.Writer) *run {
	r := &run{
		cfg: cfg, id: newRunID(), plan: p, clock: workload.StartClock(), counts: wire.NewCounts(),
		faults: &oracle.Faults{}, progress: measure.NewProgress(out),
	}
	// Besides the senders, users are set up, credentials renewed and gaps read.
	r.api = wire.NewAPI(cfg.URLs, cfg.Senders*cfg.Window+len(p.Users)+64, cfg.RetryFor)
	r.servers = measure.NewProcesses(measure.Proc, cfg.ServerPIDs, r.api.Ports())
	for _, u := range p.Users {
		r.accounts = append(r.accounts, &wire.Account{User: u})
	}
	for _, c := range p.Conversations {
		r.groups = append(r.groups, &group{Conversation: c})
	}
	return r
}

// newRunID keeps the users and keys of runs apart.
func newRunID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// send sends everything, with sockets cut and credentials renewed meanwhile, and
// waits until the sockets have caught up.
func (r *run) send(ctx context.Context) {
	r.servers.Begin()
	r.toolCPU = measure.OwnCPU()
	r.sockets.Reads.Store(0) // so far they opened the sockets
	r.received.events.Store(0)
	r.sending = newSending(r)
	background, end := context.WithCancel(ctx)
	defer end()
	sent := make(chan struct{})
	var meanwhile, cutting sync.WaitGroup
	meanwhile.Go(func() { wire.KeepCredentials(background, r.api, r.accounts) })
	meanwhile.Go(func() { r.keepSampling(background) })
	cutting.Go(func() { r.disconnect(background, sent) })
	if r.cfg.Slow > 0 {
		cutting.Go(func() { r.restSlow(background, sent) })
	}
	if r.cfg.Storm {
		cutting.Go(func() { r.cutAtOnce(background, sent, min(stormLimit, r.cfg.RetryFor)) })
	}

	show := r.progress.Phase("sending", 100, func() int64 { return int64(r.done() * 100) }, r.rates())
	r.sending.all(ctx)
	close(sent)
	cutting.Wait()
	show()
	r.settle(ctx, (*oracle.Conversation).LastSeq)
	if s := r.sending.stealth; s != nil {
		s.settle(ctx)
		s.judgeLists(ctx)
		r.figures.Stealth = s.judge()
	}
	if r.figures.Idle != nil {
		r.figures.Idle.Open = r.sockets.Connected.Load()
		r.judgeIdle()
	}
	end()
	meanwhile.Wait()
	r.measure()
}

// done is how much of the sending is done, from 0 to 1.
func (r *run) done() float64 {
	part := 0.0
	if n := r.plan.Messages; n > 0 {
		part = float64(r.sending.taken.Load()) / float64(n)
	}
	if begun := r.sending.begun.Load(); r.cfg.Duration > 0 && begun > 0 {
		part = max(part, float64(r.clock.Now()-begun)/float64(r.cfg.Duration))
	}
	return min(part, 1)
}

// rates tells messages and deliveries per second since the last call.
func (r *run) rates() func() string {
	then, acked, delivered := r.clock.Now(), int64(0), int64(0)
	return func() string {
		now, a, d := r.clock.Now(), r.sending.acked.Load(), r.received.deliveries.Load()
		seconds := max(float64(now-then)/1e9, 1e-3)
		line := fmt.Sprintf(" %%, %s accepted, %s/s, %s deliveries/s", measure.Count(a),
			measure.Count(int64(float64(a-acked)/seconds)), measure.Count(int64(float64(d-delivered)/seconds)))
		then, acked, delivered = now, a, d
		return line
	}
}

// sampleEvery is how often processes are sampled: one that ends between two
// samples loses what it did since the first of them.
const sampleEvery = 2 * time.Second

func (r *run) keepSampling(ctx context.Context) {
	for wait.Sleep(ctx, sampleEvery) {
		r.servers.Sample()
	}
}

// settle waits until every socket has received each of its conversations up to
// its end. It gives up when nothing has arrived for as long as the configuration
// allows: what is missing then is lost.
func (r *run) settle(ctx context.Context, end func(*oracle.Conversation) int64) {
	behind := func() int64 { return r.record.Behind(end) }
	if ctx.Err() != nil || behind() == 0 {
		return
	}
	total := r.record.Subscriptions()
	defer r.progress.Phase("sockets catching up", total, func() int64 { return total - behind() }, nil)()
	events, since := r.received.events.Load(), time.Now()
	for behind() > 0 && time.Since(since) < r.cfg.Settle {
		if !wait.Sleep(ctx, 10*time.Millisecond) {
			return
		}
		if n := r.received.events.Load(); n != events {
			events, since = n, time.Now()
		}
	}
}

// judge reads history back and reaches the verdict, unless ctx ends first.
func (r *run) judge(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	f := &r.figures
	var read atomic.Int64
	end := r.progress.Phase("reading history back", f.Accepted, read.Load, nil)
	err := r.readHistories(ctx, &read)
	end()
	var inboxes []*oracle.Inbox
	if err == nil && r.cfg.mixed() {
		var asked atomic.Int64
		end = r.progress.Phase("reading inboxes back", int64(len(r.plan.Users)), asked.Load, nil)
		inboxes, err = r.readInboxes(ctx, &asked)
		end()
	}
	if err == nil {
		// Messages with an unknown outcome may be after the last acknowledged one.
		r.settle(ctx, (*oracle.Conversation).End)
	}
	r.sockets.Stop()
	f.History, f.Retries = read.Load(), r.counts.Retries.Load()
	f.Cuts, f.Reconnects, f.Gaps = r.received.disconnects.Load(), r.sockets.Reconnects.Load(), r.sockets.Gaps.Load()
	f.Errors = r.counts.Errors()
	switch {
	case err != nil:
		f.Verdict = "none: " + err.Error()
	default:
		r.record.Judge()
		r.record.JudgeUnprovoked(r.counts.Outages.Load())
		if inboxes != nil {
			r.record.JudgeInboxes(inboxes)
		}
		if gaveUp := r.sending.gaveUp; gaveUp != nil {
			f.Verdict = "none: the sending was cut short: " + gaveUp.Error()
		}
	}
	f.Judged(r.faults)
}
