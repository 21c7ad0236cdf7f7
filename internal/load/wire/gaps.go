package wire

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"ping/internal/wait"
)

// readGaps reads what the server will not replay, as the contract says: from
// the conversation's own log. Then the socket is read on.
func (h *Sockets) readGaps(s *Socket) {
	h.mu.Lock()
	gaps := s.gaps
	s.gaps = nil
	h.mu.Unlock()
	c := h.api.Caller(h.counts)
	for _, g := range gaps {
		h.Gaps.Add(1)
		if err := h.readOne(s, c, g); err != nil && h.ctx.Err() == nil {
			// The events that are missing then count as lost.
			h.counts.Failed("gap: " + err.Error())
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reader.resume(s)
}

// retryGap is how long a gap that may not be read waits.
const retryGap = 50 * time.Millisecond

func (h *Sockets) readOne(s *Socket, c *Caller, g gap) error {
	began := time.Now()
	for after := g.from - 1; after < g.to; {
		c.Begin(fasthttp.MethodGet, "/v1/conversations/"+g.conversation+"/events?limit="+strconv.Itoa(pageSize)+"&after="+strconv.FormatInt(after, 10))
		if err := c.Do(h.ctx, s.Account); err != nil {
			var p *Problem
			outside := h.GapsMayWait && errors.As(err, &p) && p.Status == fasthttp.StatusNotFound
			if outside && time.Since(began) < h.api.retryFor && wait.Sleep(h.ctx, retryGap) {
				continue
			}
			return err
		}
		var page struct {
			Items []json.RawMessage `json:"items"`
		}
		if err := c.Decode(&page); err != nil {
			return err
		}
		if len(page.Items) == 0 {
			return errors.New("events end before the gap does")
		}
		last, err := h.take(s, g, page.Items)
		if err != nil {
			return err
		}
		if last <= after {
			return errors.New("the pages of events do not advance")
		}
		after = last
	}
	return nil
}

// take delivers a gap's events that were read in place of a replay, and returns
// the last seq that it read. A socket that is disconnected before it receives a
// position beyond the gap is told the gap a second time: what it has read by
// then is no repetition by the server.
func (h *Sockets) take(s *Socket, g gap, frames []json.RawMessage) (last int64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range frames {
		e, ok := scanEvent(b)
		if !ok {
			if e, err = decodeEvent(b); err != nil {
				return last, err
			}
		}
		if last = e.Seq; last <= g.to && !s.Receiver.Has(g.conversation, last) {
			s.Receiver.Event(e, true, h.clock.Now())
		}
	}
	return last, nil
}
