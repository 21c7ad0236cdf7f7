package load

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"

	"ping/domain"
	"ping/internal/wait"
)

// stored is a message as history holds it.
type stored struct {
	id     domain.ID
	seq    int64
	digest uint64
	shown  *shown // nil for a message that is as it was sent, and mentions nobody
}

// shown is what history says of a message beside what was sent.
type shown struct {
	edited, deleted, pinned bool
	mentions                []domain.ID
	reactions               []shownReaction
}

type shownReaction struct {
	Emoji string `json:"emoji"`
	Count int    `json:"count"`
	Mine  bool   `json:"mine"`
}

// item is a message of the contract.
type item struct {
	ID        domain.ID       `json:"id"`
	Seq       int64           `json:"seq"`
	Author    domain.ID       `json:"author_id"`
	Body      string          `json:"body"`
	ReplyTo   domain.ID       `json:"reply_to"`
	Mentions  []domain.ID     `json:"mentions"`
	Reactions []shownReaction `json:"reactions"`
	EditedAt  *string         `json:"edited_at"`
	DeletedAt *string         `json:"deleted_at"`
	Pinned    bool            `json:"pinned"`
}

func (m *item) stored() stored {
	s := stored{id: m.ID, seq: m.Seq, digest: digest(m.Author, m.Body, m.ReplyTo)}
	if m.EditedAt != nil || m.DeletedAt != nil || m.Pinned || len(m.Mentions) > 0 || len(m.Reactions) > 0 {
		s.shown = &shown{m.EditedAt != nil, m.DeletedAt != nil, m.Pinned, m.Mentions, m.Reactions}
	}
	return s
}

// pageSize is the greatest that the contract gives.
const pageSize = 200

// get reads a path as u. minPosition makes the server wait for its read models;
// "" does not.
func (u *user) get(ctx context.Context, from *courier, path, minPosition string, into any) error {
	from.begin(fasthttp.MethodGet, path)
	if minPosition != "" {
		from.req.Header.Set("Ping-Min-Position", minPosition)
	}
	if err := from.do(ctx, u, true); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err := json.Unmarshal(from.res.Body(), into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// history reads all messages of a conversation, as its first member, oldest
// first. It reports what comes in another order than newest first.
func (c *conversation) history(ctx context.Context, from *courier, f *faults) ([]stored, error) {
	var all []stored
	for next, before := "", int64(0); ; {
		path := c.path + "?limit=" + strconv.Itoa(pageSize)
		if next != "" {
			path += "&before=" + url.QueryEscape(next)
		}
		var page struct {
			Items []item  `json:"items"`
			Next  *string `json:"next"`
		}
		if err := c.members[0].get(ctx, from, path, c.minPosition(), &page); err != nil {
			return nil, err
		}
		for _, m := range page.Items {
			if before != 0 && m.Seq >= before {
				f.report(disordered, "history holds %s after seq %d", name(c, m.ID, m.Seq), before)
			}
			before = m.Seq
			all = append(all, m.stored())
		}
		if page.Next == nil {
			break
		}
		if *page.Next == next || len(page.Items) == 0 {
			return nil, fmt.Errorf("read %s: the pages do not end", c.path)
		}
		next = *page.Next
	}
	slices.SortStableFunc(all, func(a, b stored) int { return cmp.Compare(a.seq, b.seq) })
	return all, nil
}

// minPosition is the last position that an acknowledgement told.
func (c *conversation) minPosition() string {
	position := c.position.Load()
	if position == 0 {
		return ""
	}
	return strconv.Itoa(int(c.partition.Load())) + ":" + strconv.FormatInt(position, 10)
}

// readers is how many conversations are read back at the same time.
const readers = 4

// readBack reads the history of all conversations. read counts messages.
func readBack(ctx context.Context, a *api, p *plan, f *faults, read *atomic.Int64) (map[*conversation][]stored, error) {
	histories := make([][]stored, len(p.conversations))
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range readers {
		g.Go(func() error {
			c := a.courier(newCounts())
			for {
				i := int(next.Add(1)) - 1
				if i >= len(p.conversations) {
					return nil
				}
				var err error
				if histories[i], err = p.conversations[i].history(ctx, c, f); err != nil {
					return err
				}
				read.Add(int64(len(histories[i])))
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := make(map[*conversation][]stored, len(histories))
	for i, c := range p.conversations {
		all[c] = histories[i]
	}
	return all, nil
}

// readGaps reads what the server will not replay, as the contract says: from
// the conversation's own log. Then the socket is read on.
func (h *sockets) readGaps(s *socket) {
	h.mu.Lock()
	gaps := s.gaps
	s.gaps = nil
	h.mu.Unlock()
	c := h.api.courier(h.counts)
	for _, g := range gaps {
		h.gaps.Add(1)
		if err := h.readOne(s, c, g); err != nil && h.ctx.Err() == nil {
			// The events that are missing then count as lost.
			h.counts.failed("gap: " + err.Error())
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reader.again(s)
}

func (h *sockets) readOne(s *socket, c *courier, g gap) error {
	conversation, began := g.subscription.conversation, time.Now()
	for after := g.span.from - 1; after < g.span.to; {
		c.begin(fasthttp.MethodGet, "/v1/conversations/"+conversation.idText+"/events?limit="+strconv.Itoa(pageSize)+"&after="+strconv.FormatInt(after, 10))
		if err := c.do(h.ctx, s.user, true); err != nil {
			if g.subscription.outside(err) && time.Since(began) < h.api.retryFor && wait.Sleep(h.ctx, backoffFirst) {
				continue
			}
			return err
		}
		var page struct {
			Items []json.RawMessage `json:"items"`
		}
		if err := json.Unmarshal(c.res.Body(), &page); err != nil {
			return err
		}
		if len(page.Items) == 0 {
			return errors.New("events end before the gap does")
		}
		last, err := h.take(g, page.Items)
		if err != nil {
			return err
		}
		if last <= after {
			return errors.New("events do not go on")
		}
		after = last
	}
	return nil
}

// outside reports whether a gap could not be read because the user has left
// since. He may read it when he is back, as one does after every leave.
func (sub *subscription) outside(err error) bool {
	var p *problem
	return sub.conversation.ledger != nil && errors.As(err, &p) && p.status == fasthttp.StatusNotFound
}

// take delivers a gap's events that were read in place of a replay, and
// returns the last seq that it saw. A socket that is cut before a position
// beyond the gap reaches it is told the gap again: what it has read by then
// is not a repetition by the server.
func (h *sockets) take(g gap, frames []json.RawMessage) (last int64, err error) {
	sub := g.subscription
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range frames {
		e, ok := scanEvent(b)
		if !ok {
			if e, err = decodeEvent(b); err != nil {
				return last, err
			}
		}
		if last = e.seq; last <= g.span.to && !sub.has(last) {
			sub.socket.deliver(e, h.clock.now(), false)
		}
	}
	return last, nil
}
