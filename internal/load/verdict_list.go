package load

import (
	"context"
	"sync/atomic"
	"time"

	"ping/internal/wait"
)

// listedWithin is how long after its end a stealth message may still be listed.
const listedWithin = time.Second

// judgeLists asks once for each conversation's stealth messages, when all have
// expired or been withdrawn: none may be listed, except one that is not known of
// because its sending ended without an answer, until it expires.
func (x *stealths) judgeLists(ctx context.Context) {
	if x.sending.gaveUp != nil || !wait.Sleep(ctx, time.Duration(x.lastEnd()-x.sending.clock.now())+listedWithin) {
		return
	}
	all := x.sending.plan.conversations
	var asked atomic.Int64
	err := each(ctx, x.sending.api, len(all), &asked, func(ctx context.Context, from *courier, i int) error {
		return x.judgeList(ctx, from, all[i])
	})
	if err != nil && ctx.Err() == nil {
		x.hub.faults.report(broken, "the stealth messages that are alive were not told: %v", err)
	}
}

// lastEnd is when the last of the stealth messages was to be gone.
func (x *stealths) lastEnd() (last int64) {
	x.hub.mu.Lock()
	defer x.hub.mu.Unlock()
	for _, m := range x.all {
		end := m.expires
		if m.withdrawn > 0 {
			end = m.withdrawn
		}
		last = max(last, end)
	}
	return last
}

func (x *stealths) judgeList(ctx context.Context, from *courier, c *conversation) error {
	return pages(ctx, from, c.members[0], "/v1/conversations/"+c.idText+"/stealth", "", func(m *stealthFrame) {
		x.hub.mu.Lock()
		known := x.all[m.ID]
		gone := known != nil && known.withdrawn > 0
		x.hub.mu.Unlock()
		if gone || time.Since(m.ExpiresAt) > 0 {
			x.hub.faults.report(leaked, "%s still lists stealth message %s, which is gone", c.idText, m.ID)
		}
	})
}
