package scenario

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"

	"ping/domain"
	"ping/internal/load/measure"
	"ping/internal/load/oracle"
	"ping/internal/load/wire"
	"ping/internal/load/workload"
)

// group is a conversation as the servers know it.
type group struct {
	*workload.Conversation
	record *oracle.Conversation
	path   string // of the conversation in the API

	partition atomic.Int32
	position  atomic.Int64 // the highest that an answer told
}

// answered keeps the position that an answer told, if it told one.
func (g *group) answered(c *wire.Caller) {
	if partition, position, ok := c.Position(); ok {
		g.partition.Store(int32(partition))
		raise(&g.position, position)
	}
}

// minPosition is the last position that an answer told; "" before the first.
func (g *group) minPosition() string {
	position := g.position.Load()
	if position == 0 {
		return ""
	}
	return strconv.Itoa(int(g.partition.Load())) + ":" + strconv.FormatInt(position, 10)
}

// raise sets v to n if n is higher.
func raise(v *atomic.Int64, n int64) {
	for {
		old := v.Load()
		if n <= old || v.CompareAndSwap(old, n) {
			return
		}
	}
}

// checkOpenFiles checks that a run's sockets can be open. The limit that counts
// is the hard one: Go's runtime raises a process's soft limit to it at the start.
func checkOpenFiles(sockets int) error {
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

// prepare registers users, creates groups and opens sockets.
func (r *run) prepare(ctx context.Context) error {
	p := r.plan
	r.figures = measure.Figures{Run: r.id, Users: len(p.Users), Groups: len(p.Conversations), Sockets: p.Sockets(), Unlinked: p.Unlinked}
	if err := r.api.Reach(ctx); err != nil {
		return err
	}
	err := r.each(ctx, "registering users", len(r.accounts), func(ctx context.Context, c *wire.Caller, i int) error {
		return r.accounts[i].Register(ctx, c, r.id)
	})
	if err == nil && r.cfg.mixed() {
		err = r.each(ctx, "claiming handles", len(r.accounts), func(ctx context.Context, c *wire.Caller, i int) error {
			u := p.Users[i]
			u.Handle = "l" + r.id + "_" + strconv.FormatInt(int64(u.Number), 36) // no other user of any run has it
			return r.accounts[i].ClaimHandle(ctx, c, r.id)
		})
	}
	if err == nil {
		err = r.each(ctx, "creating groups", len(r.groups), func(ctx context.Context, c *wire.Caller, i int) error {
			return r.create(ctx, c, r.groups[i])
		})
	}
	if err != nil {
		return err
	}
	return r.openSockets(ctx)
}

// openSockets begins the record of the run, and opens all sockets.
func (r *run) openSockets(ctx context.Context) (err error) {
	r.record = oracle.NewRecord(r.plan, r.faults)
	for i, g := range r.groups {
		g.record = r.record.Conversations[i]
	}
	if r.cfg.mixed() {
		r.record.ModelActions()
	}
	n := r.plan.Sockets()
	if r.sockets, err = wire.NewSockets(ctx, r.api, r.counts, r.clock, r.accounts, n); err != nil {
		return fmt.Errorf("open sockets: %w", err)
	}
	r.sockets.GapsMayWait = r.cfg.mixed()
	r.receive()
	r.chooseSlow()
	if r.cfg.Idle > 0 {
		r.beforeIdle(ctx)
	}
	var opened atomic.Int64
	end := r.progress.Phase("opening sockets", int64(n), opened.Load, nil)
	began := time.Now()
	opening, cancel := context.WithTimeout(ctx, r.cfg.RetryFor)
	defer cancel()
	err = r.sockets.Open(opening, func() { opened.Add(1) })
	end()
	if err != nil {
		r.sockets.Stop()
		return fmt.Errorf("open sockets: %d of %d are ready: %w%s", opened.Load(), n, err, r.counts.Summary())
	}
	if f := r.figures.Idle; f != nil {
		f.ConnectsPerSecond = float64(n) / time.Since(began).Seconds()
	}
	return nil
}

// each calls do for 0..n-1, as a phase of the run.
func (r *run) each(ctx context.Context, phase string, n int, do func(ctx context.Context, c *wire.Caller, i int) error) error {
	var done atomic.Int64
	defer r.progress.Phase(phase, int64(n), done.Load, nil)()
	if err := r.concurrently(ctx, n, setupWorkers(), &done, do); err != nil {
		return fmt.Errorf("%s: %w", phase, err)
	}
	return nil
}

// setupWorkers is how many registrations and group creations run at once: the
// server's password hashing takes a core each, so more would only wait.
func setupWorkers() int { return 2 * runtime.NumCPU() }

// concurrently calls do for 0..n-1, with a caller per worker. done counts.
func (r *run) concurrently(ctx context.Context, n, workers int, done *atomic.Int64, do func(ctx context.Context, c *wire.Caller, i int) error) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error {
			c := r.api.Caller(wire.NewCounts())
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(ctx, c, i); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	return g.Wait()
}

// firstMembers is how many members a conversation can be created with, its
// creator included; the others are added one by one.
const firstMembers = 1000

// create makes the group, with all its members.
func (r *run) create(ctx context.Context, c *wire.Caller, g *group) error {
	owner, first, later := r.accounts[g.Members[0].Number], g.Members[1:], []*workload.User(nil)
	if len(g.Members) > firstMembers {
		first, later = g.Members[1:firstMembers], g.Members[firstMembers:]
	}
	ids := make([]domain.ID, len(first))
	for i, u := range first {
		ids[i] = u.ID
	}
	post := func(path, key string, body, into any) error {
		c.Begin(fasthttp.MethodPost, path)
		c.SetKey(key)
		c.SetJSON(body)
		if err := c.Do(ctx, owner); err != nil {
			return fmt.Errorf("POST %s: %w", path, err)
		}
		g.answered(c)
		if err := c.Decode(into); err != nil {
			return fmt.Errorf("POST %s: %w", path, err)
		}
		return nil
	}
	key := r.id + "-group-" + strconv.Itoa(g.Number)
	var made struct {
		ID domain.ID `json:"id"`
	}
	if err := post("/v1/conversations", key, map[string]any{"kind": "group", "name": g.Name, "members": ids}, &made); err != nil {
		return err
	}
	if made.ID.IsZero() {
		return fmt.Errorf("create %s: the answer is not a conversation", g.Name)
	}
	g.ID, g.path = made.ID, "/v1/conversations/"+made.ID.String()
	for i, u := range later {
		if err := post(g.path+"/members", key+"-"+strconv.Itoa(i), map[string]any{"user_id": u.ID}, &struct{}{}); err != nil {
			return err
		}
	}
	return nil
}
