package load

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"ping/internal/wait"
)

// Users of an idle run are in blocks, and each block in groups that have all of
// it: as a department of a firm is in its channels.
const (
	blockUsers  = 50
	blockGroups = 20
)

// idlePlan makes the plan of --idle. One group of each block is sent into at the
// end, so that every socket is asked once whether it still receives.
func idlePlan(cfg Config) *plan {
	p := &plan{idle: cfg.Idle}
	for i := range cfg.Users {
		p.users = append(p.users, &user{number: i})
	}
	for from := 0; from < cfg.Users; from += blockUsers {
		block := p.users[from:min(from+blockUsers, cfg.Users)]
		s := &sender{number: len(p.senders), user: block[0], window: 1}
		p.senders = append(p.senders, s)
		for g := range blockGroups {
			c := &conversation{name: fmt.Sprintf("Idle group %d", len(p.conversations)+1), members: block}
			p.conversations = append(p.conversations, c)
			if g == 0 {
				s.join(c)
			}
		}
	}
	p.messages = len(p.senders)
	return p
}

// roomFor checks that a run's sockets can be open. The limit is the hard one:
// Go's runtime raises a process's soft limit to it at the start.
func roomFor(sockets int) error {
	const others = 1000 // calls over HTTP, and what the process has open itself
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("getrlimit: %w", err)
	}
	if uint64(limit.Cur) < uint64(sockets+others) {
		return fmt.Errorf("%d sockets take %d open files, and this process may have %d; raise it with ulimit -Hn", sockets, sockets+others, limit.Cur)
	}
	return nil
}

// IdleFigures are what sockets that do nothing cost the servers.
type IdleFigures struct {
	ConnectsPerSecond float64      `json:"connects_per_second"`
	Before            MemoryFigure `json:"before"`  // any socket was opened
	Opened            MemoryFigure `json:"opened"`  // right after the last was ready
	Settled           MemoryFigure `json:"settled"` // when memory fell no longer
	SettledSeconds    float64      `json:"settled_seconds"`
	// KBPerSocket is what resident memory grew by from before to settled, and
	// LiveKBPerSocket what heap and stacks in use did. Both are 0 where one of the
	// two is not known.
	KBPerSocket     float64 `json:"kb_per_socket,omitempty"`
	LiveKBPerSocket float64 `json:"live_kb_per_socket,omitempty"`
	QuietSeconds    float64 `json:"quiet_seconds"`
	QuietCPUPercent float64 `json:"quiet_cpu_percent,omitempty"` // of one core
	Open            int64   `json:"open"`                        // at the end
}

// MemoryFigure is what the servers use, all of them together. What is not known
// is 0: resident memory without /proc, and the rest unless all were asked and
// told it.
type MemoryFigure struct {
	ResidentMB float64 `json:"resident_mb,omitempty"`
	HeapMB     float64 `json:"heap_in_use_mb,omitempty"`
	StackMB    float64 `json:"stack_in_use_mb,omitempty"`
	Goroutines int64   `json:"goroutines,omitempty"`
	Falling    bool    `json:"falling,omitempty"` // still, when it was waited for long enough
}

// expectIdle measures the servers before sockets are opened, when what the
// registrations needed has been given back: else the sockets would seem to need
// that much less.
func (r *run) expectIdle(ctx context.Context) {
	began := time.Now()
	defer r.progress.phase("memory settling, for seconds", int64((settleMost + r.cfg.Quiet).Seconds()), func() int64 { return int64(time.Since(began).Seconds()) }, nil)()
	r.figures.Idle = &IdleFigures{Before: r.leastMemory(ctx)}
}

// leastMemory is the servers' memory when it falls no longer.
func (r *run) leastMemory(ctx context.Context) MemoryFigure {
	settled := r.awaitLeast(ctx, settleMost)
	m := r.memory(ctx)
	m.Falling = !settled
	return m
}

// memory asks for the servers' memory, from outside and of themselves.
func (r *run) memory(ctx context.Context) (m MemoryFigure) {
	resident, _ := r.servers.own()
	m.ResidentMB = float64(resident) / (1 << 20)
	told := m
	for _, url := range r.cfg.MetricsURLs {
		if err := told.ask(ctx, url); err != nil {
			if ctx.Err() == nil {
				r.counts.failed("metrics: " + err.Error())
			}
			return m // what only some told is no sum
		}
	}
	return told
}

// idle watches sockets that do nothing: first until the servers' memory does
// not fall any more, then what CPU they take.
func (r *run) idle(ctx context.Context) {
	f := r.figures.Idle
	f.Opened = r.memory(ctx)
	r.sockets.beginIdle()
	quiet, end := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { keepCredentials(quiet, r.api, r.plan.users) })
	defer renewing.Wait()
	defer end()

	show := r.progress.phase("idle sockets", int64(len(r.sockets.all)), r.sockets.connected.Load, nil)
	defer show()
	began := time.Now()
	f.Settled = r.leastMemory(ctx)
	f.SettledSeconds = time.Since(began).Seconds()
	f.grown(len(r.sockets.all))

	_, before := r.servers.own()
	began = time.Now()
	wait.Sleep(ctx, r.cfg.Quiet)
	_, after := r.servers.own()
	f.QuietSeconds = time.Since(began).Seconds()
	if after > before { // a server that was restarted begins at 0
		f.QuietCPUPercent = float64(after-before) / ticksPerSecond / f.QuietSeconds * 100
	}
}

// grown works out what a socket needs, from figures that are both known.
func (f *IdleFigures) grown(sockets int) {
	each := func(before, settled float64) float64 {
		if before == 0 || settled == 0 {
			return 0
		}
		return (settled - before) * 1024 / float64(sockets)
	}
	f.KBPerSocket = each(f.Before.ResidentMB, f.Settled.ResidentMB)
	f.LiveKBPerSocket = each(f.Before.HeapMB+f.Before.StackMB, f.Settled.HeapMB+f.Settled.StackMB)
}

// settleMost bounds how long memory may go on falling. A server gives memory
// back slowly, long after it was needed.
const settleMost = time.Minute

// awaitLeast waits until the servers' memory has not fallen by a hundredth for
// as long as Quiet; false when it still did after most.
func (r *run) awaitLeast(ctx context.Context, most time.Duration) (settled bool) {
	began := time.Now()
	least, since := int64(-1), began
	for time.Since(since) < r.cfg.Quiet {
		if time.Since(began) > most+r.cfg.Quiet {
			return false
		}
		if resident, _ := r.servers.own(); least < 0 || resident < least-least/100 {
			least, since = resident, time.Now()
		}
		if !wait.Sleep(ctx, min(time.Second, r.cfg.Quiet/4)) {
			return false
		}
	}
	return true
}

// beginIdle counts lost connections from now on.
func (h *sockets) beginIdle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.all {
		s.losses = 0
	}
}

// judgeIdle reports the sockets that were closed since beginIdle, though they
// may have come back.
func (h *sockets) judgeIdle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, s := range h.all {
		if s.losses > 0 {
			h.faults.report(closedIdle, "socket %d, of user %d, %d times", i, s.user.number, s.losses)
		}
	}
}

func (f *IdleFigures) rows(t table.Writer) {
	t.AppendRow(table.Row{"connects/s", fmt.Sprintf("%.0f", f.ConnectsPerSecond), "until each was ready"})
	f.Before.row(t, "before")
	f.Opened.row(t, "right after")
	f.Settled.row(t, "settled")
	if f.KBPerSocket != 0 {
		t.AppendRow(table.Row{"memory a socket", fmt.Sprintf("%.1f KB", f.KBPerSocket), fmt.Sprintf("resident, settled %.0f s after the last", f.SettledSeconds)})
	}
	if f.LiveKBPerSocket != 0 {
		t.AppendRow(table.Row{"in use a socket", fmt.Sprintf("%.1f KB", f.LiveKBPerSocket), "of heap and stacks"})
	}
	if f.Settled.ResidentMB > 0 { // the same source tells both
		t.AppendRow(table.Row{"CPU of idle sockets", fmt.Sprintf("%.1f %%", f.QuietCPUPercent), fmt.Sprintf("of one core, over %.0f s", f.QuietSeconds)})
	}
	t.AppendRow(table.Row{"open at the end", count(f.Open), ""})
}

// row shows what is known.
func (m MemoryFigure) row(t table.Writer, when string) {
	resident, detail := "not known", ""
	if m.ResidentMB > 0 {
		resident = fmt.Sprintf("%.1f MB", m.ResidentMB)
	}
	if m.Goroutines > 0 {
		detail = fmt.Sprintf("heap and stacks in use %.1f + %.1f MB, %s goroutines", m.HeapMB, m.StackMB, count(m.Goroutines))
	}
	if m.Falling {
		detail = strings.TrimPrefix(detail+"; still falling, so this is no final figure", "; ")
	}
	t.AppendRow(table.Row{"resident memory " + when, resident, detail})
}
